"""Takes log lines from nodes into the relay's spool: proves, unpacks, looks whose each line is, keeps, answers.

Owns the answer's meaning, which is that of `intake`: 200 says that every line is committed here or refused for ever. A
line is passed on as it came, byte by byte, and only of the node that was proved: so the hub believes a relay what it
believes that node. Fed by `events_port`; feeds the spool.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from slurmlens.clock import Clock
from slurmlens.delivery.batches import BatchQueue, Stream
from slurmlens.errors import DecodeError, DeliveryError, RefusedError, SlurmlensError
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
    status_of,
    unpack,
)
from slurmlens.wire.log_documents import documents, node_of

LINES_REFUSED = InternalEvent(
    "relay_log_lines_refused", logging.WARNING, "refused log lines of {peer} as node {node}: {problem}", ("reason",)
)
LINES_TAKEN = InternalEvent("relay_log_lines", logging.DEBUG, "took {count} log lines of node {node}")


class LogLinesIntake:
    """One relay's door for log lines."""

    def __init__(
        self,
        *,
        max_body_bytes: int,
        commit_timeout_s: float,
        prove: Prove,
        queue: BatchQueue,
        room: Room,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._max_body_bytes = max_body_bytes
        self._commit_timeout_s = commit_timeout_s
        self._prove = prove
        self._queue = queue
        self._room = room
        self._reporter = reporter
        self._clock = clock

    async def take(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> IngestAnswer:
        """Answers one request; `headers` by lower-case names, `body` as it was sent."""
        try:
            return await self._take(body, headers, peer)
        except SlurmlensError as error:
            node = headers.get("x-slurmlens-node", "?")[:64]
            self._reporter.report(LINES_REFUSED, reason=error.reason, peer=peer, node=node, problem=str(error))
            return answer(status_of(error), reason=error.reason, message=str(error))

    async def _take(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> IngestAnswer:
        if len(body) > self._max_body_bytes:
            raise TooLarge(f"the body has {len(body)} bytes, at most {self._max_body_bytes} are taken")
        if not self._room.has_for(Stream.LOGS):
            raise DeliveryError("the spool is full: its receivers are away; keep what you have", reason="full")
        node = await self._prove.node_of(headers, body)  # before anything is unpacked
        if RELAY_HEADER in headers:
            message = f"{node} is a relay, and there is none behind a relay: let it deliver to the hub itself"
            raise RefusedError(message, reason="relay", status=403)
        unpacked = unpack(body, headers.get("content-encoding", ""), self._max_body_bytes)
        kept, refused = _sorted(unpacked, node)
        if refused:
            first = refused[0]
            self._reporter.report(
                LINES_REFUSED, count=len(refused), reason=first.reason, peer=peer, node=node, problem=first.message
            )
        if kept:
            born_ns = self._clock.monotonic_ns()
            lines = b"\n".join(kept) + b"\n"
            await commit(self._queue, Stream.LOGS, lines, len(kept), born_ns, self._commit_timeout_s)
        self._reporter.report(LINES_TAKEN, count=len(kept), node=node)
        return answer(200, accepted=len(kept), known=0, refused=refused[:MAX_REFUSED_TOLD])


def _sorted(body: bytes, node: str) -> tuple[list[bytes], list[RefusedLine]]:
    """Lines to pass on as they came, and those that no receiver shall see."""
    kept: list[bytes] = []
    refused: list[RefusedLine] = []
    if body.lstrip()[:1] == b"[":
        raise DecodeError("an array of documents: a relay takes one document a line", reason="json")
    told = body.split(b"\n")
    for number, document in documents(body):
        if isinstance(document, DecodeError):
            refused.append(RefusedLine(number, document.reason, str(document)))
        elif (named := node_of(document)) != node:
            refused.append(RefusedLine(number, "node", f"host is {named!r}, but {node} sent it"))
        else:
            kept.append(told[number - 1])
    return kept, refused
