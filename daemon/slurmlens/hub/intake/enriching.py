"""Answers documents with what the hub knows of their jobs: `POST /api/v1/enrich`, and `…/2015` for the older names.

Owns who may ask (as whoever sends lines: a host of its own, forwarders and relays of all) and the form of the answer:
one document for one, an array for an array, NDJSON for NDJSON, each in its place. Nothing is refused: what is no line,
or of an unknown job, or comes while the database is away, is passed on with a tag. Nothing is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import tzinfo

import msgspec

from slurmlens.clock import Clock
from slurmlens.errors import DecodeError, RefusedError, SlurmlensError
from slurmlens.hub.logs.enriched_documents import NO_LINE, Document, Merge, tagged, with_ecs, with_fields_2015
from slurmlens.hub.logs.enriching import EnrichedLine, Enricher
from slurmlens.hub.logs.understanding import understood
from slurmlens.log_lines import LogLine
from slurmlens.runtime.authentication import Prove
from slurmlens.wire.ingest import TooLarge, answer, status_of, unpack
from slurmlens.wire.log_documents import documents, line_of, node_of

MOST_DOCUMENTS = 5_000
Answer = tuple[int, bytes]


class DocumentEnricher:
    """One hub's answers. `zone` is that of times without one."""

    def __init__(
        self,
        *,
        max_body_bytes: int,
        prove: Prove,
        forwarders: Collection[str],
        enricher: Enricher,
        zone: tzinfo,
        clock: Clock,
    ) -> None:
        self._max_body_bytes = max_body_bytes
        self._prove = prove
        self._forwarders = frozenset(forwarders)
        self._enricher = enricher
        self._zone = zone
        self._clock = clock

    async def enrich(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> Answer:
        """The documents with the names of ECS."""
        return await self._answer(body, headers, with_ecs)

    async def enrich_2015(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> Answer:
        """The documents with the names of 2015."""
        return await self._answer(body, headers, with_fields_2015)

    async def _answer(self, body: bytes, headers: Mapping[str, str], merge: Merge) -> Answer:
        try:
            if len(body) > self._max_body_bytes:
                raise TooLarge(f"the body has {len(body)} bytes, at most {self._max_body_bytes} are taken")
            speaker = await self._prove.node_of(headers, body)
            unpacked = unpack(body, headers.get("content-encoding", ""), self._max_body_bytes)
            asked, lines = await asyncio.to_thread(self._read, unpacked, speaker)
        except SlurmlensError as error:
            return answer(status_of(error), reason=error.reason, message=str(error))
        enriched = await self._enricher.enriched([line for line in lines if line is not None])
        return 200, await asyncio.to_thread(_written, unpacked, asked, lines, enriched, merge)

    def _read(self, body: bytes, speaker: str) -> tuple[list[Document], list[LogLine | None]]:
        asked: list[Document] = []
        lines: list[LogLine | None] = []
        now_ns = self._clock.wall_ns()
        for number, document in documents(body):
            if isinstance(document, DecodeError):
                raise DecodeError(f"line {number}: {document}", reason="json")
            if number > MOST_DOCUMENTS:
                raise TooLarge(f"more than {MOST_DOCUMENTS} documents in one request")
            node = node_of(document) or speaker
            if node != speaker and speaker not in self._forwarders:
                raise RefusedError(
                    f"line {number} is of {node}, and {speaker} asks: list {speaker} in [logs] forwarders",
                    reason="node",
                    status=403,
                )
            asked.append(document)
            lines.append(self._line(document, node, now_ns))
        return asked, lines

    def _line(self, document: Document, node: str, now_ns: int) -> LogLine | None:
        named = document if node_of(document) else {**document, "host": node}
        try:
            return understood(line_of(named, now_ns), self._zone)
        except DecodeError:
            return None


def _written(
    body: bytes,
    asked: Sequence[Document],
    lines: Sequence[LogLine | None],
    enriched: Sequence[EnrichedLine],
    merge: Merge,
) -> bytes:
    found = iter(enriched)
    made = [
        tagged(document, NO_LINE) if line is None else merge(document, next(found))
        for document, line in zip(asked, lines, strict=True)
    ]
    if body.lstrip()[:1] == b"[":
        return msgspec.json.encode(made)
    return b"\n".join(map(msgspec.json.encode, made))
