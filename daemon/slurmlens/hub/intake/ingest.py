"""Takes events from nodes: proves, unpacks, decodes, stores, answers. The road of `POST /api/v1/events`.

Owns the answer's meaning (`docs/specs/hub-api.md`): 200 says that every line was stored, known before, or refused for
ever by number and reason; anything else that nothing was stored. Framework-free: bytes and headers in, status and JSON
out; `hub.web` mounts it. Everything refused is counted by a reason from a bounded set.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from slurmlens.clock import Clock
from slurmlens.errors import SlurmlensError
from slurmlens.events import AnyEvent, JobProfile, JobStart, NodeHeartbeat
from slurmlens.hub.history.record.apply import Applied
from slurmlens.hub.news import Change, ChangeKind, Live
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.ingest import (
    MAX_REFUSED_TOLD,
    IngestAnswer,
    RefusedLine,
    TooLarge,
    answer,
    check_not_all_foreign,
    check_role,
    lines_of,
    status_of,
    unpack,
)

REQUEST_REFUSED = InternalEvent(
    "ingest_requests_refused", logging.WARNING, "refused events of {peer} as node {node}: {problem}", ("reason",)
)
LINE_REFUSED = InternalEvent(
    "ingest_lines_refused", logging.WARNING, "refused line {line} of node {node}: {problem}", ("reason",)
)
TAKEN = InternalEvent("ingest_events", logging.DEBUG, "took {count} events of node {node}", ("state",))

MAX_PENDING = 64
"""Requests that may wait for the database at once; more are told to come back."""


class Prove(Protocol):
    """Says which node a request comes from (`runtime.authentication.Authenticator`)."""

    async def node_of(self, headers: Mapping[str, str], body: bytes) -> str:
        """The node; RefusedError or SourceError otherwise."""


Apply = Callable[[Sequence[AnyEvent], int], Awaitable[Applied]]


class Ingest:
    """One hub's intake. `applied` is called with the events that were new, after they were stored.

    `relays` are speakers that may tell of other nodes.
    """

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
        relays: Collection[str] = (),
    ) -> None:
        self._cluster = cluster
        self._max_body_bytes = max_body_bytes
        self._prove = prove
        self._apply = apply
        self._live = live
        self._reporter = reporter
        self._clock = clock
        self._applied = applied
        self._relays = frozenset(relays)
        self._pending = 0
        self._refusals: Counter[str] = Counter()

    def take_refusals(self) -> Mapping[str, int]:
        """What was refused since the last call, by reason; for the count that outlives the process."""
        refusals, self._refusals = self._refusals, Counter()
        return refusals

    async def take(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> IngestAnswer:
        """Answers one request; `headers` by lower-case names, `body` as it was sent."""
        if self._pending >= MAX_PENDING:
            return answer(429, reason="busy", message="too many requests wait for the database")
        self._pending += 1
        try:
            return await self._take(body, headers)
        except SlurmlensError as error:
            status = status_of(error)
            node = headers.get("x-slurmlens-node", "?")[:64]
            text = str(error)
            self._reporter.report(REQUEST_REFUSED, reason=error.reason, peer=peer, node=node, problem=text)
            self._refusals[error.reason] += 1
            return answer(status, reason=error.reason, message=text)
        finally:
            self._pending -= 1

    async def _take(self, body: bytes, headers: Mapping[str, str]) -> IngestAnswer:
        if len(body) > self._max_body_bytes:
            raise TooLarge(f"the body has {len(body)} bytes, at most {self._max_body_bytes} are taken")
        node = await self._prove.node_of(headers, body)  # before anything is unpacked
        is_relay = check_role(headers, node, self._relays)
        lines = unpack(body, headers.get("content-encoding", ""), self._max_body_bytes)
        events, refused = self._decode(lines, node, is_relay=is_relay)
        check_not_all_foreign(len(events), refused)
        applied = await self._apply(events, self._clock.wall_ns())
        self._reporter.report(TAKEN, count=len(applied.new), state="new", node=node)
        self._reporter.report(TAKEN, count=applied.known, state="known", node=node)
        self._tell(applied.new)
        return answer(
            200,
            accepted=len(applied.new),
            known=applied.known,
            refused=refused[:MAX_REFUSED_TOLD],
            profile_interval_s=self._live.wanted_interval_s(node),
            **(self._wanted_by_node(events) if is_relay else {}),
        )

    def _wanted_by_node(self, events: Sequence[AnyEvent]) -> dict[str, object]:
        """How often a relay's nodes, those of this request, shall send news."""
        nodes = sorted({event.node for event in events})
        return {"profile_intervals_s": {node: self._live.wanted_interval_s(node) for node in nodes}}

    def _decode(self, lines: bytes, node: str, *, is_relay: bool) -> tuple[list[AnyEvent], list[RefusedLine]]:
        """A relay has proved its nodes itself."""
        events: list[AnyEvent] = []
        refused: list[RefusedLine] = []
        for number, event, problem in lines_of(lines, lambda told: is_relay or told == node, self._cluster):
            if event is not None:
                events.append(event)
            elif problem is not None:
                refused.append(RefusedLine(number, problem.reason, str(problem)))
                self._refusals[problem.reason] += 1
                self._reporter.report(LINE_REFUSED, reason=problem.reason, line=number, node=node, problem=str(problem))
        return events, refused

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
