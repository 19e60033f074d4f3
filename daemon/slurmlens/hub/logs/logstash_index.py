"""Lines that somebody else keeps in OpenSearch or Elasticsearch, such as Logstash: searched, never written.

Owns how questions are put to fields that we did not name: each is asked of all names under which it is known (ECS, the
documents of 2015, what Logstash makes). A document is read as one that is sent to the hub, and understood. Whoever does
not see all lines sees those alone that say whose their job is in fields that hold whole words (`slurm.user`,
`slurm.account`: the filter in etc/logstash asks the hub for them); other documents are shown to operators. Lines of one
moment have no order of their own here: a page goes on by how many of that moment were shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import msgspec

from slurmlens.clock import Clock
from slurmlens.config.log_store import SearchServerConfig
from slurmlens.errors import DecodeError
from slurmlens.hub.access.predicates import entitlements
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs.opensearch_documents import (
    NEWEST,
    OLDEST,
    TIME,
    Condition,
    filtered,
    over_time,
    stretch,
    text_conditions,
)
from slurmlens.hub.logs.opensearch_health import health_of
from slurmlens.hub.logs.query import MOST_LINES, JobOwner, LogPage, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.search_server import SearchServer
from slurmlens.hub.logs.store import AROUND, Slot, StoreHealth
from slurmlens.hub.logs.understanding import understood
from slurmlens.log_lines import Severity
from slurmlens.wire.log_documents import line_of

_NAMES = {
    "job_id": ("slurm.job_id", "slurm_jobid"),
    "node": ("host.name", "host.hostname", "logsource", "host", "hostname"),
    "user": ("slurm.user",),
    "partition": ("slurm.partition",),
    "program": ("process.name", "log.syslog.appname", "program"),
    "kind": ("slurm.line_kind",),
}
_SEVERITIES = ("log.syslog.severity.code", "severity", "syslog_severity_code")
_OWNERS = ("slurm.user", "slurm.account")
_MS_NS = 10**6
_MOST_AT_ONCE = 10_000
_FIND = {"ignore_unavailable": "true", "filter_path": "hits.hits._id,hits.hits._source,hits.hits.sort"}
_COUNT = {"ignore_unavailable": "true", "filter_path": "aggregations.slots.buckets"}


class LogstashIndex:
    """The indices of a pattern."""

    def __init__(self, settings: SearchServerConfig, clock: Clock) -> None:
        self._pattern = settings.index
        self._server = SearchServer(settings)
        self._clock = clock

    async def search(self, viewer: Viewer, query: LogQuery) -> LogPage:
        """The newest lines that fit, as many as asked for."""
        limit = min(max(query.limit, 1), MOST_LINES)
        asked = await self._conditions(viewer, query)
        shown = 0 if query.after is None else query.after.number
        if query.after is not None:
            asked += stretch(None, query.after.time_ns + _MS_NS)
        found = await self._find(asked, NEWEST, limit + 1 + shown)
        if query.after is not None:
            found = [one for one in found if one.place.time_ns < query.after.time_ns or one.place.number > shown]
        return LogPage(tuple(found[:limit]), len(found) > limit)

    async def around(self, viewer: Viewer, node: str, place: LogPlace, count: int = AROUND) -> LogPage:
        """What the node said just before and after a line of that place, the newest first."""
        before = LogQuery(node=node, until_ns=place.time_ns + _MS_NS, limit=count)
        after = await self._conditions(viewer, LogQuery(node=node, since_ns=place.time_ns + _MS_NS))
        page, later = await asyncio.gather(self.search(viewer, before), self._find(after, OLDEST, count))
        return LogPage((*reversed(later), *page.lines), page.has_more)

    async def histogram(self, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int) -> Sequence[Slot]:
        """How many lines fit in each stretch from `since_ns` on; stretches without any are left out."""
        ranged = msgspec.structs.replace(query, since_ns=since_ns, after=None)
        question = {
            "size": 0,
            "track_total_hits": False,
            "query": filtered(await self._conditions(viewer, ranged)),
            "aggs": over_time(since_ns, width_ns, _at_least(Severity.ERROR.value)),
        }
        answer = await self._server.ask("POST", f"/{self._pattern}/_search", question, _COUNT)
        buckets = answer.get("aggregations", {}).get("slots", {}).get("buckets", ())
        return [Slot(one["key"] * _MS_NS, one["doc_count"], one["errors"]["doc_count"]) for one in buckets]

    async def health(self) -> StoreHealth:
        """How the server fares; one that is away is an answer too."""
        return await health_of(self._server, self._pattern, is_written=False)

    async def close(self) -> None:
        """Ends the connections."""
        await self._server.close()

    async def _conditions(self, viewer: Viewer, query: LogQuery) -> list[Condition]:
        asked = [*_IS_LINE, *await self._visible(viewer)]
        for name, fields in _NAMES.items():
            if (value := getattr(query, name)) is not None:
                asked.append(_any_of(str(value), fields))
        if query.kinds is not None:
            asked.append(_one_of([_any_of(kind, _NAMES["kind"]) for kind in sorted(query.kinds)]))
        if query.severity is not None:
            asked.append(_at_least(query.severity))
        return asked + stretch(query.since_ns, query.until_ns) + text_conditions(query.text)

    async def _visible(self, viewer: Viewer) -> list[Condition]:
        reasons = entitlements(viewer)
        if reasons is None:
            return []
        whole = await self._whole_word_fields()
        own: list[Condition] = [
            {"term": {field: reason.value}} for reason in reasons for field in whole.get(f"slurm.{reason.column}", ())
        ]
        return [_one_of(own)] if own else [{"match_none": {}}]

    async def _whole_word_fields(self) -> Mapping[str, Sequence[str]]:
        """The fields of owners that are keywords in every index: one that is cut into words would show too much."""
        names = [name for owner in _OWNERS for name in (owner, f"{owner}.keyword")]
        answer = await self._server.ask(
            "GET", f"/{self._pattern}/_field_caps", parameters={"fields": ",".join(names), "ignore_unavailable": "true"}
        )
        keywords = {name for name, kinds in answer.get("fields", {}).items() if set(kinds) == {"keyword"}}
        return {owner: [name for name in (owner, f"{owner}.keyword") if name in keywords] for owner in _OWNERS}

    async def _find(self, asked: Sequence[Condition], order: str, limit: int) -> list[StoredLine]:
        question = {
            "size": min(limit, _MOST_AT_ONCE),
            "track_total_hits": False,
            "query": filtered(asked),
            "sort": [{TIME: {"order": order, "numeric_type": "date_nanos"}}],
        }
        answer = await self._server.ask("POST", f"/{self._pattern}/_search", question, _FIND)
        found: list[StoredLine] = []
        number, last_ns = 0, None
        for hit in answer.get("hits", {}).get("hits", ()):
            time_ns = hit["sort"][0]
            number, last_ns = (number + 1 if time_ns == last_ns else 1), time_ns
            try:
                found.append(self._line(hit, LogPlace(time_ns, number)))
            except DecodeError:  # a document without a message or a host is no line
                continue
        return found

    def _line(self, hit: Mapping[str, Any], place: LogPlace) -> StoredLine:
        source = hit["_source"]
        line = line_of({**source, "_id": hit["_id"]}, self._clock.wall_ns())
        line = msgspec.structs.replace(understood(line, UTC), time_ns=place.time_ns)
        slurm = source.get("slurm", {})
        owner = JobOwner(*(slurm.get(name) for name in JobOwner._fields)) if isinstance(slurm, Mapping) else JobOwner()
        return StoredLine(line, owner, place)


def _at_least(severity: int) -> Condition:
    return _one_of([{"range": {field: {"lte": severity}}} for field in _SEVERITIES])


def _any_of(value: str, fields: Sequence[str]) -> Condition:
    """The value as a whole in one of the fields, whatever these hold; a phrase of one keyword is the keyword."""
    return {"multi_match": {"query": value, "type": "phrase", "fields": list(fields), "lenient": True}}


def _one_of(conditions: Sequence[Condition]) -> Condition:
    return {"bool": {"should": list(conditions), "minimum_should_match": 1}}


_IS_LINE = [{"exists": {"field": "message"}}, _one_of([{"exists": {"field": field}} for field in _NAMES["node"]])]
