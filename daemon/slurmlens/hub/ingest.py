"""Takes events from nodes: proves, unpacks, decodes, stores, answers. The road of `POST /api/v1/events`.

Owns the answer's meaning (`docs/specs/hub-api.md`): 200 says that every line was stored, known before, or refused for
ever by number and reason; anything else that nothing was stored. Framework-free: bytes and headers in, status and JSON
out; `hub.web` mounts it. Everything refused is counted by a reason from a bounded set.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import DecodeError, DeliveryError, RefusedError, SlurmlensError, SourceError
from slurmlens.events import AnyEvent, JobProfile, JobStart, JobSummary, NodeHeartbeat, Profile, Totals
from slurmlens.hub.history.apply import Applied
from slurmlens.hub.live import Change, ChangeKind, Live
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire import ecs

REQUEST_REFUSED = InternalEvent(
    "ingest_requests_refused", logging.WARNING, "refused events of {peer} as node {node}: {message}", ("reason",)
)
LINE_REFUSED = InternalEvent(
    "ingest_lines_refused", logging.WARNING, "refused line {line} of node {node}: {message}", ("reason",)
)
TAKEN = InternalEvent("ingest_events", logging.DEBUG, "took {count} events of node {node}", ("state",))

MAX_REFUSED_TOLD = 200
MAX_PENDING = 64
"""Requests that may wait for the database at once; more are told to come back."""

EARLIEST_NS = 946_684_800 * NS_PER_S
LATEST_NS = 4_102_444_800 * NS_PER_S
MAX_BINS = 20_000
MAX_STEPS = 20_000
MAX_SLOT = 1_000_000
MAX_COUNT = 2**53
"""Counts are added up over nodes; beyond this no sum would fit a column or be exact in JavaScript."""

_CHUNK_BYTES = 64 * 1024
_GZIP = 31


class Answer(NamedTuple):
    """What goes back to the node: HTTP status and JSON."""

    status: int
    body: bytes


class Prove(Protocol):
    """Says which node a request comes from (`authentication.Authenticator`)."""

    async def node_of(self, headers: Mapping[str, str], body: bytes) -> str:
        """The node; RefusedError or SourceError otherwise."""


Apply = Callable[[Sequence[AnyEvent], int], Awaitable[Applied]]


class _Refused(msgspec.Struct, frozen=True):
    line: int
    reason: str
    message: str


class Ingest:
    """One hub's intake. `applied` is called with the events that were new, after they were stored."""

    def __init__(
        self,
        *,
        cluster: str,
        max_body_bytes: int,
        prove: Prove,
        apply: Apply,
        live: Live,
        reporter: Reporter,
        clock: Clock,
        applied: Callable[[Sequence[AnyEvent]], None],
    ) -> None:
        self._cluster = cluster
        self._max_body_bytes = max_body_bytes
        self._prove = prove
        self._apply = apply
        self._live = live
        self._reporter = reporter
        self._clock = clock
        self._applied = applied
        self._pending = 0
        self._refusals: Counter[str] = Counter()

    def take_refusals(self) -> Mapping[str, int]:
        """What was refused since the last call, by reason; for the count that outlives the process."""
        refusals, self._refusals = self._refusals, Counter()
        return refusals

    async def take(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> Answer:
        """Answers one request; `headers` by lower-case names, `body` as it was sent."""
        if self._pending >= MAX_PENDING:
            return _answer(429, reason="busy", message="too many requests wait for the database")
        self._pending += 1
        try:
            return await self._take(body, headers)
        except SlurmlensError as error:
            status = _status_of(error)
            node = headers.get("x-slurmlens-node", "?")[:64]
            text = str(error)
            self._reporter.report(REQUEST_REFUSED, reason=error.reason, peer=peer, node=node, message=text)
            self._refusals[error.reason] += 1
            return _answer(status, reason=error.reason, message=text)
        finally:
            self._pending -= 1

    async def _take(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        if len(body) > self._max_body_bytes:
            raise _TooLarge(f"the body has {len(body)} bytes, at most {self._max_body_bytes} are taken")
        node = await self._prove.node_of(headers, body)  # before anything is unpacked
        lines = unpack(body, headers.get("content-encoding", ""), self._max_body_bytes)
        events, refused = self._decode(lines, node)
        if refused and not events and {one.reason for one in refused} == {"cluster"}:
            # a slip in one of the two configurations: the node keeps its events until it is mended
            raise RefusedError(refused[0].message, reason="cluster", status=403)
        applied = await self._apply(events, self._clock.wall_ns())
        self._reporter.report(TAKEN, count=len(applied.new), state="new", node=node)
        self._reporter.report(TAKEN, count=applied.known, state="known", node=node)
        self._tell(applied.new)
        return _answer(
            200,
            accepted=len(applied.new),
            known=applied.known,
            refused=refused[:MAX_REFUSED_TOLD],
            profile_interval_s=self._live.wanted_interval_s(node),
        )

    def _decode(self, lines: bytes, node: str) -> tuple[list[AnyEvent], list[_Refused]]:
        events: list[AnyEvent] = []
        refused: list[_Refused] = []
        for number, found in ecs.decode_lines(lines):
            problem = found if isinstance(found, DecodeError) else self._problem(found, node)
            if problem is None and not isinstance(found, DecodeError):
                events.append(found)
            elif problem is not None:
                refused.append(_Refused(number, problem.reason, str(problem)))
                self._refusals[problem.reason] += 1
                self._reporter.report(LINE_REFUSED, reason=problem.reason, line=number, node=node, message=str(problem))
        return events, refused

    def _problem(self, event: AnyEvent, node: str) -> DecodeError | None:
        """Why an event can't be taken although it decodes."""
        if event.node != node:
            return DecodeError(f"host.name is {event.node!r}, but {node!r} sent it", reason="node")
        if event.cluster != self._cluster:
            message = f"cluster is {event.cluster!r}, this hub keeps {self._cluster!r}: make `cluster` the same in both"
            return DecodeError(message, reason="cluster")
        try:
            check_values(event)
        except DecodeError as error:
            return error
        return None

    def _tell(self, new: Sequence[AnyEvent]) -> None:
        """Tells whoever watches, and the pipeline that runs are to be made anew."""
        for event in new:
            if isinstance(event, NodeHeartbeat):
                self._live.runs_on(event.node, [job_id for job_id, _ in event.running])
        for event in new:  # a heartbeat of the same batch may be older than a start
            if isinstance(event, JobStart):
                self._live.started_on(event.node, event.job.job_id)
            elif isinstance(event, JobProfile):
                change = Change(kind=ChangeKind.POINTS, job_id=event.job_id, node=event.node, profile=event.profile)
                self._live.publish(change)
        if new:
            self._applied(new)


class _TooLarge(DecodeError):
    """More than a request may hold."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="too_large")


def unpack(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body as NDJSON; never makes more than `max_bytes` of it, whatever the gzip holds."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise DecodeError(f"content-encoding {encoding[:40]!r}: send gzip or nothing", reason="encoding")
    unpacked = bytearray()
    unpacker = zlib.decompressobj(_GZIP)
    rest = body
    try:
        while rest and not unpacker.eof:
            unpacked += unpacker.decompress(rest, min(_CHUNK_BYTES, max_bytes + 1 - len(unpacked)))
            if len(unpacked) > max_bytes:
                raise _TooLarge(f"the body unpacks to more than {max_bytes} bytes")
            rest = unpacker.unconsumed_tail
    except zlib.error as error:
        raise DecodeError(f"no gzip: {error}", reason="gzip") from error
    if not unpacker.eof or unpacker.unused_data:
        raise DecodeError("the gzip ends too early or too late", reason="gzip")
    return bytes(unpacked)


def check_values(event: AnyEvent) -> None:
    """Refuses values that are well typed and make no sense: they would spoil every figure they meet."""
    times = [event.time_ns]
    profile: Profile | None = None
    if isinstance(event, JobStart | JobSummary) and not 0 <= (event.slot or 0) <= MAX_SLOT:
        raise DecodeError(f"slot {event.slot}", reason="value")
    if isinstance(event, JobSummary):
        times += [event.start_ns, event.end_ns]
        profile = event.profile
        _check_totals(event.totals)
    elif isinstance(event, JobProfile):
        profile = event.profile
    if profile is not None:
        times.append(profile.start_ns)
        _check_profile(profile)
    if not all(EARLIEST_NS <= time_ns <= LATEST_NS for time_ns in times):
        raise DecodeError("a time before the year 2000 or after 2100: set the node's clock", reason="value")


def _check_totals(totals: Totals) -> None:
    if len(totals.steps) > MAX_STEPS:
        raise DecodeError(f"{len(totals.steps)} steps, at most {MAX_STEPS} are taken", reason="value")
    for part in (totals, *totals.steps):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if isinstance(value, int) and not 0 <= value <= MAX_COUNT:
                raise DecodeError(f"{name} is {value}", reason="value")


def _check_profile(profile: Profile) -> None:
    lengths = {len(column) for column in profile.columns.values()}
    if len(lengths) > 1 or max(lengths, default=0) > MAX_BINS:
        raise DecodeError(f"a profile whose columns have {sorted(lengths)[:5]} bins", reason="value")
    if not (math.isfinite(profile.width_s) and 0.001 <= profile.width_s <= 1e7):
        raise DecodeError(f"a profile whose bins are {profile.width_s} s wide", reason="value")


def _status_of(error: SlurmlensError) -> int:
    if isinstance(error, RefusedError):
        return error.status
    if isinstance(error, _TooLarge):
        return 413
    if isinstance(error, SourceError | DeliveryError):
        return 503
    return 400


def _answer(status: int, **fields: object) -> Answer:
    return Answer(status, msgspec.json.encode(fields))
