"""Takes events from nodes into the relay's spool: proves, unpacks, looks at every line, commits, answers.

Owns the answer's meaning, which is the hub's (`docs/specs/hub-api.md`): 200 says that every line is committed here or
refused for ever by number and reason; anything else that the node has to keep what it sent. Invariants: a line is
passed on as it came, byte by byte, and only for the node that was proved; nothing is unpacked before that, and what
waits unpacked for its commit is bounded. What is
committed twice, because an answer was lost, is delivered twice: receivers know events by id. Framework-free: bytes and
headers in, status and JSON out; `events_port` mounts it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from slurmlens.clock import Clock
from slurmlens.delivery.batches import BatchQueue, Stream
from slurmlens.errors import DeliveryError, RefusedError, SlurmlensError
from slurmlens.relay.committing import commit
from slurmlens.relay.room import Room
from slurmlens.runtime.authentication import Prove
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.ingest import (
    MAX_REFUSED_TOLD,
    RELAY_HEADER,
    IngestAnswer,
    RefusedLine,
    TooLarge,
    answer,
    check_not_all_foreign,
    lines_of,
    status_of,
    unpack,
)

REQUEST_REFUSED = InternalEvent(
    "relay_requests_refused", logging.WARNING, "refused events of {peer} as node {node}: {problem}", ("reason",)
)
LINE_REFUSED = InternalEvent(
    "relay_lines_refused", logging.WARNING, "refused line {line} of node {node}: {problem}", ("reason",)
)
TAKEN = InternalEvent("relay_events", logging.DEBUG, "took {count} events of node {node}")


class Intake:
    """One relay's door for events. `wanted_interval_s` says how often the hub wants a node's profiles."""

    def __init__(
        self,
        *,
        cluster: str,
        max_body_bytes: int,
        pending_bytes: int,
        commit_timeout_s: float,
        prove: Prove,
        queue: BatchQueue,
        room: Room,
        wanted_interval_s: Callable[[str], float | None],
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._cluster = cluster
        self._max_body_bytes = max_body_bytes
        self._pending_bytes = pending_bytes
        self._held_bytes = 0
        self._commit_timeout_s = commit_timeout_s
        self._prove = prove
        self._queue = queue
        self._room = room
        self._wanted_interval_s = wanted_interval_s
        self._reporter = reporter
        self._clock = clock

    async def take(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> IngestAnswer:
        """Answers one request; `headers` by lower-case names, `body` as it was sent."""
        try:
            return await self._take(body, headers)
        except SlurmlensError as error:
            node = headers.get("x-slurmlens-node", "?")[:64]
            text = str(error)
            self._reporter.report(REQUEST_REFUSED, reason=error.reason, peer=peer, node=node, problem=text)
            return answer(status_of(error), reason=error.reason, message=text)

    async def _take(self, body: bytes, headers: Mapping[str, str]) -> IngestAnswer:
        if len(body) > self._max_body_bytes:
            raise TooLarge(f"the body has {len(body)} bytes, at most {self._max_body_bytes} are taken")
        if not self._room.has_for(Stream.EVENTS):
            raise DeliveryError("the spool is full: its receivers are away; keep what you have", reason="full")
        node = await self._prove.node_of(headers, body)  # before anything is unpacked
        if RELAY_HEADER in headers:
            message = f"{node} is a relay, and there is none behind a relay: let it deliver to the hub itself"
            raise RefusedError(message, reason="relay", status=403)
        if self._held_bytes > self._pending_bytes:
            raise DeliveryError("too much is being committed; come back later", reason="busy")
        # From here to the commit nobody else has a turn, so that only one body at a time is unpacked and uncounted.
        count, kept, refused = self._sort(unpack(body, headers.get("content-encoding", ""), self._max_body_bytes), node)
        check_not_all_foreign(count, refused)
        if count:
            await self._commit(kept, count)
        self._reporter.report(TAKEN, count=count, node=node)
        return answer(200, accepted=count, known=0, refused=refused[:MAX_REFUSED_TOLD], **self._wanted(node))

    def _sort(self, lines: bytes, node: str) -> tuple[int, bytes, list[RefusedLine]]:
        """Lines to pass on, how many and as they came, and those that no receiver shall ever see."""
        kept: list[bytes] = []
        refused: list[RefusedLine] = []
        told = lines.split(b"\n")
        for number, event, problem in lines_of(lines, lambda other: other == node, self._cluster):
            if event is not None:
                kept.append(told[number - 1] + b"\n")
            elif problem is not None:
                refused.append(RefusedLine(number, problem.reason, str(problem)))
                self._reporter.report(LINE_REFUSED, reason=problem.reason, line=number, node=node, problem=str(problem))
        return len(kept), b"".join(kept), refused

    async def _commit(self, lines: bytes, count: int) -> None:
        """Returns when the spool has committed the lines; DeliveryError where it did not in time."""
        self._held_bytes += len(lines)
        try:
            born_ns = self._clock.monotonic_ns()
            await commit(self._queue, Stream.EVENTS, lines, count, born_ns, self._commit_timeout_s)
        finally:
            self._held_bytes -= len(lines)

    def _wanted(self, node: str) -> dict[str, object]:
        interval_s = self._wanted_interval_s(node)
        return {} if interval_s is None else {"profile_interval_s": interval_s}
