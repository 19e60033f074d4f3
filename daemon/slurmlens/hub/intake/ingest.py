"""Takes events from nodes: proves, unpacks, decodes, stores, answers. The road of `POST /api/v1/events`.

Owns the answer's meaning (`docs/specs/hub-api.md`): 200 says that every line was stored, known before, or refused for
ever by number and reason; anything else that nothing was stored. Framework-free: bytes and headers in, status and JSON
out; `hub.web` mounts it. Everything refused is counted by a reason from a bounded set. What a stored request has
changed is said by whoever stores it (`history.record.announcing`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from slurmlens.clock import Clock
from slurmlens.errors import SlurmlensError
from slurmlens.hub.history.record.applying import Applied
from slurmlens.hub.history.record.storing import Request
from slurmlens.hub.intake.lines import LinesTaken, read_lines
from slurmlens.hub.intake.refusals import Refusals
from slurmlens.runtime.authentication import Prove
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.ingest import (
    MAX_REFUSED_TOLD,
    IngestAnswer,
    RefusedLine,
    TooLarge,
    answer,
    check_not_all_foreign,
    check_role,
    status_of,
    unpack,
)
from slurmlens.wire.packed_body import PACKED_TYPE, split_body
from slurmlens.wire.received import READ_SCHEMAS, ReceivedLine

REQUEST_REFUSED = InternalEvent(
    "ingest_requests_refused", logging.WARNING, "refused events of {peer} as node {node}: {problem}", ("reason",)
)
LINE_REFUSED = InternalEvent(
    "ingest_lines_refused", logging.WARNING, "refused line {line} of node {node}: {problem}", ("reason",)
)
TAKEN = InternalEvent("ingest_events", logging.DEBUG, "took {count} events of node {node}", ("state",))

MAX_PENDING = 512
"""Requests that may wait for the database at once; more are asked to come back."""

MAX_LINES = 20_000
"""Lines of one request; a node sends some hundred, a relay some thousand."""

UNPACKED_ON_THE_LOOP_BYTES = 32 * 1024
"""A body of more bytes, as sent, is unpacked and read in a thread: it would hold the loop for milliseconds."""


Apply = Callable[[Request], Awaitable[Applied]]


class _SentBody(NamedTuple):
    """A request's body: its lines with their encoding, and the columns that came packed beside them."""

    lines: bytes
    encoding: str
    profiles: bytes = b""


def _sent(body: bytes, headers: Mapping[str, str]) -> _SentBody:
    """What a body is by its headers; DecodeError for a packed one that is none."""
    if headers.get("content-type", "") != PACKED_TYPE:
        return _SentBody(body, headers.get("content-encoding", ""))
    lines, profiles = split_body(body)
    return _SentBody(lines, "gzip", profiles)


class Ingest:
    """One hub's intake. `wanted_interval_s` answers how often a node shall send what is new of its jobs' profiles.

    `relays` are senders that may send events of other nodes.
    """

    def __init__(
        self,
        *,
        cluster: str,
        max_body_bytes: int,
        prove: Prove,
        apply: Apply,
        wanted_interval_s: Callable[[str], float],
        refusals: Refusals,
        reporter: Reporter,
        clock: Clock,
        relays: Collection[str] = (),
    ) -> None:
        self._cluster = cluster
        self._max_body_bytes = max_body_bytes
        self._prove = prove
        self._apply = apply
        self._wanted_interval_s = wanted_interval_s
        self._refusals = refusals
        self._reporter = reporter
        self._clock = clock
        self._relays = frozenset(relays)
        self._pending = 0

    async def take(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> IngestAnswer:
        """Answers one request; `headers` by lower-case names, `body` as it was sent."""
        if self._pending >= MAX_PENDING:
            return answer(503, reason="busy", message="too many requests wait for the database")
        self._pending += 1
        try:
            return await self._take(body, headers)
        except SlurmlensError as error:
            status = status_of(error)
            node = headers.get("x-slurmlens-node", "?")[:64]
            text = str(error)
            self._reporter.report(REQUEST_REFUSED, reason=error.reason, peer=peer, node=node, problem=text)
            self._refusals.add(error.reason)
            return answer(status, reason=error.reason, message=text)
        finally:
            self._pending -= 1

    async def _take(self, body: bytes, headers: Mapping[str, str]) -> IngestAnswer:
        if len(body) > self._max_body_bytes:
            raise TooLarge(f"the body has {len(body)} bytes, at most {self._max_body_bytes} are taken")
        node = await self._prove.node_of(headers, body)  # before anything is unpacked
        is_relay = check_role(headers, node, self._relays)
        sent = _sent(body, headers)
        if len(body) > UNPACKED_ON_THE_LOOP_BYTES:
            taken = await asyncio.to_thread(self._read, sent, node, is_relay)
        else:
            taken = self._read(sent, node, is_relay)
        self._tell_refused(node, taken.refused)
        check_not_all_foreign(len(taken.lines), taken.refused)
        request = Request(sent.lines, sent.encoding, taken.lines, self._clock.wall_ns(), sent.profiles)
        applied = await self._apply(request)
        self._reporter.report(TAKEN, count=len(applied.new), state="new", node=node)
        self._reporter.report(TAKEN, count=applied.known, state="known", node=node)
        return answer(
            200,
            accepted=len(applied.new),
            known=applied.known,
            refused=taken.refused[:MAX_REFUSED_TOLD],
            profile_interval_s=self._wanted_interval_s(node),
            schemas=READ_SCHEMAS,
            **(self._wanted_by_node(taken.lines) if is_relay else {}),
        )

    def _wanted_by_node(self, lines: Sequence[ReceivedLine]) -> dict[str, object]:
        """How often a relay's nodes, those of this request, shall send news."""
        nodes = sorted({line.event.node for line in lines})
        return {"profile_intervals_s": {node: self._wanted_interval_s(node) for node in nodes}}

    def _read(self, sent: _SentBody, node: str, is_relay: bool) -> LinesTaken:
        """The lines that are taken, and those that are not; a relay has proved its nodes itself."""
        unpacked = unpack(sent.lines, sent.encoding, self._max_body_bytes - len(sent.profiles))
        if unpacked.count(b"\n") > MAX_LINES:
            raise TooLarge(f"more than {MAX_LINES} lines in one request")

        def may_tell(of_node: str) -> bool:
            return is_relay or of_node == node

        return read_lines(unpacked, may_tell, self._cluster, self._clock.wall_ns(), sent.profiles)

    def _tell_refused(self, node: str, refused: Sequence[RefusedLine]) -> None:
        for one in refused:
            self._refusals.add(one.reason)
            self._reporter.report(LINE_REFUSED, reason=one.reason, line=one.line, node=node, problem=one.message)
