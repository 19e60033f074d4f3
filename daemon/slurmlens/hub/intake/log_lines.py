"""Takes log lines: `POST /api/v1/logs`, from rsyslog, Logstash, Vector, Fluent Bit or a node's daemon.

Owns what is proved and refused. The speaker proves itself as for events; a relay and a host in `[logs] forwarders` may
tell of every node, all others of themselves alone. By what a line was given to its job is believed of its own node, and
of a relay, which proved that node; a forwarder's word counts as the client's. A line that cannot be read costs itself
and is named in the answer; a request is answered when its lines are committed. Feeds `logs`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from datetime import tzinfo

import msgspec

from slurmlens.clock import Clock
from slurmlens.errors import DecodeError, SlurmlensError
from slurmlens.hub.logs.keeping import LogKeeper
from slurmlens.hub.logs.store import LogStoreError
from slurmlens.hub.logs.understanding import understood
from slurmlens.log_lines import LogLine
from slurmlens.runtime.authentication import Prove
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.ingest import MAX_REFUSED_TOLD, RefusedLine, TooLarge, answer, check_role, status_of, unpack
from slurmlens.wire.log_documents import documents, line_of

LINES_TAKEN = InternalEvent("log_lines_taken", logging.DEBUG, "{count} log lines of {node}")
LINES_REFUSED = InternalEvent("log_lines_refused", logging.WARNING, "{count} log lines of {node}: {problem}")

MAX_LINES = 20_000
IngestAnswer = tuple[int, bytes]


class LogIntake:
    """One hub's intake of lines. `zone` is that of times without one: Slurm's daemons write local time."""

    def __init__(
        self,
        *,
        max_body_bytes: int,
        prove: Prove,
        forwarders: Collection[str],
        relays: Collection[str] = (),
        keeper: LogKeeper,
        zone: tzinfo,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._max_body_bytes = max_body_bytes
        self._prove = prove
        self._forwarders = frozenset(forwarders)
        self._relays = frozenset(relays)
        self._keeper = keeper
        self._zone = zone
        self._reporter = reporter
        self._clock = clock

    async def take(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> IngestAnswer:
        """Answers one request; `headers` by lower-case names, `body` as it was sent."""
        try:
            return await self._take(body, headers)
        except LogStoreError as error:
            return answer(503, reason=error.reason, message=str(error))
        except SlurmlensError as error:
            return answer(status_of(error), reason=error.reason, message=str(error))

    async def _take(self, body: bytes, headers: Mapping[str, str]) -> IngestAnswer:
        if len(body) > self._max_body_bytes:
            raise TooLarge(f"the body has {len(body)} bytes, at most {self._max_body_bytes} are taken")
        speaker = await self._prove.node_of(headers, body)
        check_role(headers, speaker, self._relays)
        lines, refused = await asyncio.to_thread(self._read, body, headers.get("content-encoding", ""), speaker)
        kept = await self._keeper.keep([line for _, line in lines])
        refused += [
            RefusedLine(number, "store", kept.refused[line.id]) for number, line in lines if line.id in kept.refused
        ]
        self._reporter.report(LINES_TAKEN, count=len(kept.new), node=speaker)
        if refused:
            self._reporter.report(LINES_REFUSED, count=len(refused), node=speaker, problem=refused[0].message)
        known = len(lines) - len(kept.new) - len(kept.refused)
        return answer(200, accepted=len(kept.new), known=known, refused=refused[:MAX_REFUSED_TOLD])

    def _read(self, body: bytes, encoding: str, speaker: str) -> tuple[list[tuple[int, LogLine]], list[RefusedLine]]:
        unpacked = unpack(body, encoding, self._max_body_bytes)
        if unpacked.count(b"\n") > MAX_LINES:
            raise TooLarge(f"more than {MAX_LINES} lines in one request")
        now_ns = self._clock.wall_ns()
        lines: list[tuple[int, LogLine]] = []
        refused: list[RefusedLine] = []
        for number, document in documents(unpacked):
            try:
                if isinstance(document, DecodeError):
                    raise document
                lines.append((number, understood(self._line(document, speaker, now_ns), self._zone)))
            except DecodeError as error:
                refused.append(RefusedLine(number, error.reason, str(error)))
        return lines, refused

    def _line(self, document: Mapping[str, object], speaker: str, now_ns: int) -> LogLine:
        line = line_of(document, now_ns)
        if line.node == speaker or speaker in self._relays:
            return line
        if speaker not in self._forwarders:
            raise DecodeError(
                f"host is {line.node!r}, but {speaker} sent it: list {speaker} in [logs] forwarders", reason="node"
            )
        return line if line.job_source is None else msgspec.structs.replace(line, job_source=None)
