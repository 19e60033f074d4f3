"""Lines in OpenSearch or Elasticsearch: an index a day, named by each line's own time.

Owns what is asked of the server and in which order. A line is created with its id, so one that is sent again after a
lost answer is known (409) and never stands there twice; a document that is refused for its form costs itself; a server
that is full, read-only or away makes the whole request fail, and the sender sends it again. Days are removed by the
hub. An index of our name that somebody else made is left alone and said to be so. A server finds what it keeps after
its `refresh_interval`, a second as a rule. Fed by `keeping`; `web` reads, with who looks first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs import opensearch_documents as documents
from slurmlens.hub.logs.opensearch_health import health_of
from slurmlens.hub.logs.query import MOST_LINES, LogPage, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.search_server import NDJSON, SearchServer, SearchServerError, refusal
from slurmlens.hub.logs.store import AROUND, Kept, Lines, LogStoreError, Slot, StoreHealth
from slurmlens.log_lines import Severity

_AT_ONCE = 2_000
_BYTES_AT_ONCE = 8 * 1024 * 1024
"""Servers take no request above 100 MB."""
_CREATED, _KNOWN = 201, 409
_WAITS_S = (0.1, 0.5, 2.0)
"""Before what a full server refused is sent again; after that the sender waits."""
_WAITS_FOR_THAT = frozenset({429, 503})
_ANSWERED = {"filter_path": "errors,items.*.status,items.*.error"}
_HITS = {"filter_path": "hits.hits._source,hits.hits.sort", "ignore_unavailable": "true"}
_SLOTS = {"filter_path": "aggregations.slots.buckets", "ignore_unavailable": "true"}
_MOST_AT_ONCE = 10_000
"""The servers' `max_result_window`."""


class OpenSearchStore:
    """One server's indices of one prefix. `keep_days`: so many whole days are kept beside today."""

    def __init__(self, settings: SearchServerConfig, keep_days: int, clock: Clock) -> None:
        self._settings = settings
        self._prefix = settings.index
        self._server = SearchServer(settings)
        self._keep_days = keep_days
        self._clock = clock
        self._number = 0
        self._ours: set[str] = set()
        """Indices that are there and ours, as far as this process knows."""
        self._making = asyncio.Lock()

    def index_of(self, time_ns: int) -> str:
        """The index in which a line of that time stands."""
        return documents.index_name(self._prefix, time_ns)

    async def append(self, lines: Lines) -> Kept:
        """Keeps lines; answers once the server has them safe. LogStoreError where some may be sent again."""
        stored = [StoredLine(line, owner, LogPlace(line.time_ns, self._next_number())) for line, owner in lines]
        new: list[StoredLine] = []
        refused: dict[str, str] = {}
        for some in _portions(stored):
            try:
                await self._create(some, new, refused)
            except LogStoreError as error:
                raise LogStoreError(str(error), new) from error
        return Kept(tuple(new), refused)

    async def replace(self, lines: Sequence[StoredLine]) -> None:
        """Writes lines anew that are kept."""
        for some in _portions(lines):
            for item in await self._bulk("index", some):
                if item["status"] >= 300:
                    raise refusal(item["status"], item.get("error"), self._server.url)

    async def unfinished(self, since_ns: int, limit: int) -> Sequence[StoredLine]:
        """Lines of jobs of which it is not known whose they are, the newest first."""
        has_no_user = {"bool": {"must_not": [{"exists": {"field": "slurm.user"}}]}}
        asked: list[documents.Condition] = [
            {"exists": {"field": "slurm.job_id"}},
            has_no_user,
            *documents.stretch(since_ns, None),
        ]
        return await self._find(asked, documents.NEWEST, min(limit, _MOST_AT_ONCE))

    async def search(self, viewer: Viewer, query: LogQuery) -> LogPage:
        """The newest lines that fit, as many as asked for."""
        limit = min(max(query.limit, 1), MOST_LINES)
        found = await self._find(documents.conditions(viewer, query), documents.NEWEST, limit + 1, query.after)
        return LogPage(tuple(found[:limit]), len(found) > limit)

    async def around(self, viewer: Viewer, node: str, place: LogPlace, count: int = AROUND) -> LogPage:
        """What the node said just before and after a line of that place, the newest first."""
        before = LogQuery(node=node, until_ns=place.time_ns + 1, limit=count)
        after = documents.conditions(viewer, LogQuery(node=node, since_ns=place.time_ns + 1))
        page, later = await asyncio.gather(self.search(viewer, before), self._find(after, documents.OLDEST, count))
        return LogPage((*reversed(later), *page.lines), page.has_more)

    async def histogram(self, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int) -> Sequence[Slot]:
        """How many lines fit in each stretch from `since_ns` on; stretches without any are left out."""
        ranged = msgspec.structs.replace(query, since_ns=since_ns, after=None)
        question = {
            "size": 0,
            "track_total_hits": False,
            "query": documents.filtered(documents.conditions(viewer, ranged)),
            "aggs": documents.over_time(since_ns, width_ns, documents.at_least(Severity.ERROR.value)),
        }
        answer = await self._server.ask("POST", f"/{self._prefix}-*/_search", question, _SLOTS)
        buckets = answer.get("aggregations", {}).get("slots", {}).get("buckets", ())
        return [Slot(one["key"] * 10**6, one["doc_count"], one["errors"]["doc_count"]) for one in buckets]

    async def forget_old(self) -> Sequence[str]:
        """Removes the days that are older than is kept; returns their names."""
        today = datetime.fromtimestamp(self._clock.wall_ns() / NS_PER_S, UTC)
        oldest = f"{today - timedelta(days=self._keep_days):%Y-%m-%d}"
        pattern = documents.day_pattern(self._prefix)
        gone = []
        for name, mapping in (await self._mappings()).items():
            day = "-".join(match.groups()) if (match := pattern.fullmatch(name)) else oldest
            if day < oldest and _is_ours(mapping):
                await self._server.ask("DELETE", f"/{name}")
                self._ours.discard(name)
                gone.append(day)
        return sorted(gone)

    async def health(self) -> StoreHealth:
        """How the server fares; one that is away is an answer too."""
        return await health_of(self._server, f"{self._prefix}-*", is_written=True)

    async def close(self) -> None:
        """Ends the connections."""
        await self._server.close()

    def _next_number(self) -> int:
        """Lines of one moment stand in the order in which they came, also after this process has ended."""
        self._number = max(self._number + 1, self._clock.wall_ns())
        return self._number

    async def _create(self, lines: Sequence[StoredLine], new: list[StoredLine], refused: dict[str, str]) -> None:
        """Creates lines, and tells the new ones and those refused for good; LogStoreError where some were neither."""
        waiting = list(lines)
        for wait_s in (*_WAITS_S, None):
            problem: SearchServerError | None = None
            again: list[StoredLine] = []
            for stored, item in zip(waiting, await self._bulk("create", waiting), strict=True):
                status = item["status"]
                if status == _CREATED:
                    new.append(stored)
                elif status in _WAITS_FOR_THAT or status in (403, 404):
                    again.append(stored)
                    problem = refusal(status, item.get("error"), self._server.url)
                elif status != _KNOWN:
                    refused[stored.line.id] = str(refusal(status, item.get("error"), self._server.url))
            if problem is None:
                return
            if wait_s is None or problem.is_lasting:
                self._ours.clear()  # an index may be gone: the next try makes it
                raise problem
            waiting = again
            await asyncio.sleep(wait_s)

    async def _bulk(self, operation: str, lines: Sequence[StoredLine]) -> list[Mapping[str, Any]]:
        """What became of each line: `status`, and `error` where there is one."""
        names = [self.index_of(stored.line.time_ns) for stored in lines]
        for name in dict.fromkeys(names):
            await self._make(name)
        parts: list[bytes] = []
        for name, stored in zip(names, lines, strict=True):
            action = {operation: {"_index": name, "_id": documents.document_id(stored.line.id)}}
            parts += (msgspec.json.encode(action), documents.document(stored))
        body = b"\n".join(parts) + b"\n"
        answer = await self._server.ask("POST", "/_bulk", body, _ANSWERED, content_type=NDJSON)
        return [item[operation] for item in answer["items"]]

    async def _make(self, name: str) -> None:
        """Makes a day's index where it is not there; LogStoreError where it is somebody else's."""
        async with self._making:
            if name in self._ours:
                return
            await self._put_template()
            try:
                await self._server.ask("PUT", f"/{name}")
            except SearchServerError as error:
                if error.kind != "resource_already_exists_exception":
                    raise
            mapping = (await self._server.ask("GET", f"/{name}/_mapping")).get(name, {})
            if not _is_ours(mapping):
                raise LogStoreError(
                    f"index {name} of {self._server.url} is somebody else's: it lacks the mark of slurmlens in its"
                    " mapping. Set another [logs.opensearch] index, or read_only = true to search it"
                )
            self._ours.add(name)

    async def _put_template(self) -> None:
        path = f"/_index_template/{self._prefix}"
        try:
            answer = await self._server.ask("GET", path)
            there = answer["index_templates"][0]["index_template"]
        except SearchServerError as error:
            if error.status != 404:
                raise
            there = None
        if there is not None and there.get("_meta", {}).get("made_by") != documents.MADE_BY:
            raise LogStoreError(
                f"the index template {self._prefix} of {self._server.url} is somebody else's: set another"
                " [logs.opensearch] index"
            )
        await self._server.ask("PUT", path, documents.index_template(self._prefix, self._settings.replicas))

    async def _mappings(self) -> Mapping[str, Any]:
        answer = await self._server.ask("GET", f"/{self._prefix}-*/_mapping")
        return dict(answer)

    async def _find(
        self, asked: Sequence[documents.Condition], order: str, limit: int, after: LogPlace | None = None
    ) -> list[StoredLine]:
        question: dict[str, Any] = {
            "size": limit,
            "track_total_hits": False,
            "query": documents.filtered(asked),
            "sort": [{documents.TIME: order}, {documents.NUMBER: order}],
        }
        if after is not None:
            question["search_after"] = list(after)
        answer = await self._server.ask("POST", f"/{self._prefix}-*/_search", question, _HITS)
        return [documents.stored_line(hit["_source"], hit["sort"][0]) for hit in answer.get("hits", {}).get("hits", ())]


def _is_ours(mapping: Mapping[str, Any]) -> bool:
    made_by = mapping.get("mappings", {}).get("_meta", {}).get("made_by")
    return bool(made_by == documents.MADE_BY)


def _portions(lines: Sequence[StoredLine]) -> Iterator[Sequence[StoredLine]]:
    """The lines in requests of a bounded size."""
    begin = size_bytes = 0
    for end, stored in enumerate(lines):
        size_bytes += len(stored.line.message)
        if end - begin >= _AT_ONCE or (size_bytes > _BYTES_AT_ONCE and end > begin):
            yield lines[begin:end]
            begin, size_bytes = end, len(stored.line.message)
    if lines:
        yield lines[begin:]
