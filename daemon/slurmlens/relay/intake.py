"""Takes lines of one stream from nodes into the relay's spool: proves, unpacks, sorts, commits, answers.

Owns the answer's meaning, which is the hub's (`docs/specs/hub-api.md`): 200 says that every line is committed here or
refused for ever by number and reason; anything else that the node has to keep what it sent. Invariants: a line is
passed on as it came, byte by byte, and only for the node that was proved; nothing is unpacked before that, and what
waits unpacked for its commit is bounded. What is committed twice, because an answer was lost, is delivered twice:
receivers know events and log lines by id. Framework-free: bytes and headers in, status and JSON out; `events_port`
mounts one for events and one for log lines, which differ in `lines_of_nodes` alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slurmlens.clock import Clock
from slurmlens.delivery.batches import Batch, BatchQueue
from slurmlens.errors import DeliveryError, RefusedError, SlurmlensError
from slurmlens.relay.lines_of_nodes import LinesOfNodes
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
    status_of,
    unpack,
)

REQUEST_REFUSED = InternalEvent(
    "relay_requests_refused",
    logging.WARNING,
    "refused {stream} of {peer} as node {node}: {problem}",
    ("stream", "reason"),
)
LINES_REFUSED = InternalEvent(
    "relay_lines_refused",
    logging.WARNING,
    "refused {count} {stream} of node {node}, first line {line}: {problem}",
    ("stream", "reason"),
)
TAKEN = InternalEvent("relay_lines_taken", logging.DEBUG, "took {count} {stream} of node {node}", ("stream",))


class Intake:
    """One relay's door for the lines of one stream. `told_beside` is what a node is told with each answer."""

    def __init__(
        self,
        lines: LinesOfNodes,
        *,
        max_body_bytes: int,
        pending_bytes: int,
        commit_timeout_s: float,
        prove: Prove,
        queue: BatchQueue,
        room: Room,
        reporter: Reporter,
        clock: Clock,
        told_beside: Callable[[str], Mapping[str, object]] = lambda node: {},
    ) -> None:
        self._lines = lines
        self._max_body_bytes = max_body_bytes
        self._pending_bytes = pending_bytes
        self._held_bytes = 0
        self._commit_timeout_s = commit_timeout_s
        self._prove = prove
        self._queue = queue
        self._room = room
        self._reporter = reporter
        self._clock = clock
        self._told_beside = told_beside

    async def take(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> IngestAnswer:
        """Answers one request; `headers` by lower-case names, `body` as it was sent."""
        try:
            return await self._take(body, headers)
        except SlurmlensError as error:
            node, text = headers.get("x-slurmlens-node", "?")[:64], str(error)
            self._report(REQUEST_REFUSED, reason=error.reason, peer=peer, node=node, problem=text)
            return answer(status_of(error), reason=error.reason, message=text)

    async def _take(self, body: bytes, headers: Mapping[str, str]) -> IngestAnswer:
        if len(body) > self._max_body_bytes:
            raise TooLarge(f"the body has {len(body)} bytes, at most {self._max_body_bytes} are taken")
        if not self._room.has_for(self._lines.stream):
            raise DeliveryError("the spool is full: its receivers are away; keep what you have", reason="full")
        node = await self._prove.node_of(headers, body)  # before anything is unpacked
        if RELAY_HEADER in headers:
            message = f"{node} is a relay, and there is none behind a relay: let it deliver to the hub itself"
            raise RefusedError(message, reason="relay", status=403)
        if self._held_bytes > self._pending_bytes:
            raise DeliveryError("too much is being committed; come back later", reason="busy")
        # From here to the commit nobody else has a turn, so that only one body at a time is unpacked and uncounted.
        unpacked = unpack(body, headers.get("content-encoding", ""), self._max_body_bytes)
        kept, refused = self._lines.sorted(unpacked, node)
        self._tell_refused(refused, node)
        if kept:
            await self._commit(kept)
        self._report(TAKEN, count=len(kept), node=node)
        told = refused[:MAX_REFUSED_TOLD]
        return answer(200, accepted=len(kept), known=0, refused=told, **self._told_beside(node))

    async def _commit(self, lines: Sequence[bytes]) -> None:
        """Returns when the spool has committed the lines; DeliveryError where it did not in time."""
        payload = b"".join(lines)
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        on_safe = (lambda: _resolve(committed),)
        self._held_bytes += len(payload)
        try:
            async with asyncio.timeout(self._commit_timeout_s):
                await self._queue.append(
                    Batch(self._lines.stream, payload, len(lines), self._clock.monotonic_ns(), on_safe)
                )
                await committed
        except TimeoutError as error:
            message = f"the spool did not commit within {self._commit_timeout_s:g} s: look at `slurmlens status`"
            raise DeliveryError(message, reason="spool") from error
        finally:
            self._held_bytes -= len(payload)

    def _tell_refused(self, refused: Sequence[RefusedLine], node: str) -> None:
        """Once for each reason, by its first line."""
        firsts: dict[str, RefusedLine] = {}
        for one in refused:
            firsts.setdefault(one.reason, one)
        counts = Counter(one.reason for one in refused)
        for reason, first in firsts.items():
            self._report(
                LINES_REFUSED, count=counts[reason], reason=reason, line=first.line, node=node, problem=first.message
            )

    def _report(self, event: InternalEvent, *, count: int = 1, **fields: Any) -> None:
        self._reporter.report(event, count=count, stream=self._lines.stream.value, **fields)


def _resolve(future: asyncio.Future[None]) -> None:
    """Nobody waits any more where the commit came too late."""
    if not future.done():
        future.set_result(None)
