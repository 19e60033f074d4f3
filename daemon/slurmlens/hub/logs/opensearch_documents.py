"""Lines as documents of OpenSearch or Elasticsearch, and questions in their language: pure.

Owns the mapping of our own indices, strict, so that no line can add a field; the document of a line (ECS, as
`wire.log_documents` has it, with whose its job is and its place among lines of one moment); and the conditions of a
query. Words of a message are what `words` makes of them, so that a search and a tail find the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.predicates import entitlements
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs.query import JobOwner, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.words import Term, terms_of
from slurmlens.log_lines import JobSource, LogLine
from slurmlens.wire.log_documents import KeptAs, encode

MADE_BY = "slurmlens"
MAPPING_VERSION = 1
TIME, NUMBER, SEVERITY = "@timestamp", "event.sequence", "log.syslog.severity.code"
_FIELDS = {
    "job_id": "slurm.job_id",
    "node": "host.name",
    "user": "slurm.user",
    "partition": "slurm.partition",
    "program": "process.name",
    "kind": "slurm.line_kind",
}
NEWEST, OLDEST = "desc", "asc"
_MOST_EXPANSIONS = 1_000
_LONGEST_ID_BYTES = 512
_DAY_NS = 86_400 * NS_PER_S
_KEYWORD: dict[str, Any] = {"type": "keyword"}
_LONG = {"type": "long"}
_NOT_SEARCHED = {"type": "keyword", "index": False, "doc_values": False}
Condition = dict[str, Any]


def index_name(prefix: str, time_ns: int) -> str:
    """The day's index in which a line of that time stands: named by its own time, so its id is unique in it."""
    return _index_of_day(prefix, time_ns // _DAY_NS)


@lru_cache(maxsize=64)
def _index_of_day(prefix: str, day: int) -> str:
    return f"{prefix}-{datetime.fromtimestamp(day * _DAY_NS // NS_PER_S, UTC):%Y.%m.%d}"


def document_id(line_id: str) -> str:
    """A line's id as the servers take one, 512 bytes at most: a longer one costs its whole request."""
    encoded = line_id.encode()
    return line_id if 0 < len(encoded) <= _LONGEST_ID_BYTES else hashlib.blake2b(encoded, digest_size=32).hexdigest()


def day_pattern(prefix: str) -> re.Pattern[str]:
    """What the names of our own days look like."""
    return re.compile(rf"{re.escape(prefix)}-(\d{{4}})\.(\d\d)\.(\d\d)")


def index_template(prefix: str, replicas: int) -> dict[str, Any]:
    """The template of our days (`PUT _index_template`): one shard, strict fields, words as `words` has them."""
    analysis = {
        "tokenizer": {"words": {"type": "pattern", "pattern": r"[^\p{L}\p{N}\p{M}_]+"}},
        "filter": {"bounded": {"type": "truncate", "length": 255}},
        "analyzer": {"words": {"type": "custom", "tokenizer": "words", "filter": ["lowercase", "bounded"]}},
    }
    return {
        "index_patterns": [f"{prefix}-*"],
        "priority": 500,
        "_meta": _meta(),
        "template": {
            "settings": {
                "index": {"number_of_shards": 1, "number_of_replicas": replicas, "codec": "best_compression"},
                "analysis": analysis,
            },
            "mappings": {"dynamic": "strict", "_meta": _meta(), "properties": _nested(_PROPERTIES)},
        },
    }


def _meta() -> dict[str, Any]:
    return {"made_by": MADE_BY, "version": MAPPING_VERSION}


_PROPERTIES: dict[str, Any] = {
    TIME: {"type": "date_nanos"},
    "message": {"type": "text", "analyzer": "words"},
    "event.id": _KEYWORD,
    "event.module": _KEYWORD,
    NUMBER: _LONG,
    "host.name": _KEYWORD,
    "process.name": _KEYWORD,
    "process.pid": _LONG,
    "log.level": _KEYWORD,
    SEVERITY: {"type": "byte"},
    "log.syslog.facility.code": _LONG,
    "systemd.unit": _KEYWORD,
    "systemd.cgroup": _NOT_SEARCHED,
    "user.id": _LONG,
    "slurm.job_id": _LONG,
    "slurm.array_job_id": _LONG,
    "slurm.array_task_id": _LONG,
    "slurm.step_id": _KEYWORD,
    "slurm.sluid": _KEYWORD,
    "slurm.job_source": _KEYWORD,
    "slurm.contradiction": _NOT_SEARCHED,
    "slurm.line_kind": _KEYWORD,
    "slurm.line": {"type": "object", "enabled": False},  # a field a kind of line: would be hundreds
    "slurm.repeats": _LONG,
    "slurm.is_cut": {"type": "boolean"},
    "slurm.user": _KEYWORD,
    "slurm.account": _KEYWORD,
    "slurm.partition": _KEYWORD,
}


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Names with dots as objects in objects."""
    properties: dict[str, Any] = {}
    for name, definition in flat.items():
        *parents, last = name.split(".")
        inside = properties
        for parent in parents:
            inside = inside.setdefault(parent, {"properties": {}})["properties"]
        inside[last] = definition
    return properties


def document(stored: StoredLine) -> bytes:
    """The document that is kept."""
    return encode(stored.line, KeptAs(stored.place.number, *stored.owner))


def stored_line(source: Mapping[str, Any], time_ns: int) -> StoredLine:
    """What a document of ours holds; its time is what the server sorts by, for the text of it is read too coarsely."""
    event, log, slurm = source["event"], source["log"], source.get("slurm", {})
    process, systemd = source.get("process", {}), source.get("systemd", {})
    job_source = slurm.get("job_source")
    line = LogLine(
        id=event["id"],
        time_ns=time_ns,
        node=source["host"]["name"],
        message=source["message"],
        program=process.get("name"),
        pid=process.get("pid"),
        severity=log["syslog"]["severity"]["code"],
        facility=log["syslog"].get("facility", {}).get("code"),
        unit=systemd.get("unit"),
        cgroup=systemd.get("cgroup"),
        user_id=source.get("user", {}).get("id"),
        source=event.get("module"),
        is_cut=slurm.get("is_cut", False),
        repeats=slurm.get("repeats", 0),
        kind=slurm.get("line_kind"),
        job_id=slurm.get("job_id"),
        array_job_id=slurm.get("array_job_id"),
        array_task_id=slurm.get("array_task_id"),
        step=slurm.get("step_id"),
        sluid=slurm.get("sluid"),
        job_source=None if job_source is None else JobSource(job_source),
        contradiction=slurm.get("contradiction"),
        fields=slurm.get("line", {}),
    )
    owner = JobOwner(slurm.get("user"), slurm.get("account"), slurm.get("partition"))
    return StoredLine(line, owner, LogPlace(time_ns, event["sequence"]))


def conditions(viewer: Viewer, query: LogQuery) -> list[Condition]:
    """All that must hold, as filters; the place where a page goes on is not among them."""
    found = visible(viewer)
    found += [
        {"term": {field: value}} for name, field in _FIELDS.items() if (value := getattr(query, name)) is not None
    ]
    if query.kinds is not None:
        found.append({"terms": {_FIELDS["kind"]: sorted(query.kinds)}})
    if query.severity is not None:
        found.append(at_least(query.severity))
    found += stretch(query.since_ns, query.until_ns)
    return found + text_conditions(query.text)


def text_conditions(text: str | None) -> list[Condition]:
    """That the message holds what was typed."""
    return [_holds(term) for term in terms_of(text or "")]


def visible(viewer: Viewer) -> list[Condition]:
    """Lines of jobs that the viewer may see; who does not see all jobs sees no line without one."""
    reasons = entitlements(viewer)
    if reasons is None:
        return []
    own = [{"term": {f"slurm.{reason.column}": reason.value}} for reason in reasons]
    if not own:
        return [{"match_none": {}}]
    return [{"exists": {"field": "slurm.job_id"}}, {"bool": {"should": own, "minimum_should_match": 1}}]


def at_least(severity: int) -> Condition:
    """Lines that are so severe or worse."""
    return {"range": {SEVERITY: {"lte": severity}}}


def stretch(since_ns: int | None, until_ns: int | None) -> list[Condition]:
    """A range of time without its end."""
    bounds = {"gte": since_ns, "lt": until_ns}
    told = {name: written_time(ns) for name, ns in bounds.items() if ns is not None}
    return [{"range": {TIME: told}}] if told else []


def written_time(time_ns: int) -> str:
    """A moment as the servers read it."""
    return f"{datetime.fromtimestamp(time_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%S}.{time_ns % NS_PER_S:09}Z"


def over_time(since_ns: int, width_ns: int, errors: Condition) -> dict[str, Any]:
    """The aggregation `slots`: lines in stretches of whole milliseconds, and `errors` among them."""
    width_ms = max(1, width_ns // 10**6)
    histogram = {
        "field": TIME,
        "fixed_interval": f"{width_ms}ms",
        "offset": f"{since_ns // 10**6 % width_ms}ms",
        "min_doc_count": 1,
    }
    return {"slots": {"date_histogram": histogram, "aggs": {"errors": {"filter": errors}}}}


def filtered(found: Sequence[Condition]) -> Condition:
    """A query of filters: no score is worked out."""
    return {"bool": {"filter": list(found)}} if found else {"match_all": {}}


def _holds(term: Term) -> Condition:
    if not term.is_beginning:
        return {"match_phrase": {"message": " ".join(term.tokens)}}
    if len(term.tokens) == 1:
        return {"prefix": {"message": term.tokens[0]}}
    return {"match_phrase_prefix": {"message": {"query": " ".join(term.tokens), "max_expansions": _MOST_EXPANSIONS}}}
