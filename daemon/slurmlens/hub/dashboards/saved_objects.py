"""Views of log lines for Kibana and OpenSearch Dashboards, as the file that their "Import" takes: pure.

Owns the objects: a data view, searches, charts, and four dashboards (overview, per job, slurmctld, slurmd), and under
which field names they ask (our own indices, or documents of 2015 behind Logstash). Invariants: the same pattern and
names make the same bytes; an object has the same id for ever, so that importing again replaces; every reference is in
the file. Versions are the lowest that both take: servers migrate objects up, not down. Used by `slurmlens
saved-objects`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from slurmlens.hub.dashboards.line_fields import ECS, TIME, FieldNames

_encoder = msgspec.json.Encoder(order="sorted")
_INDEX_REFERENCE = "kibanaSavedObjectMeta.searchSourceJSON.index"
_MIGRATED = {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"}
_PANEL_VERSION = "7.10.2"
_WIDTH, _CHART_HEIGHT, _LIST_HEIGHT = 48, 12, 24


class _View(NamedTuple):
    """One dashboard: what its lines have in common (Lucene), by what it counts them, and by what it lists them."""

    key: str
    title: str
    query: str
    charts: Sequence[str]


def saved_objects(pattern: str, names: FieldNames = ECS, pages_url: str = "") -> bytes:
    """NDJSON of all objects; `pattern` is the data view's, `pages_url` the hub's address for links to jobs."""
    objects = [_data_view(pattern, names, pages_url)]
    for view in _views(names):
        objects += _objects_of(view, names)
    return b"".join(_encoder.encode(one) + b"\n" for one in objects)


def _views(names: FieldNames) -> tuple[_View, ...]:
    controller, daemons = f"{names.program}:slurmctld", f"{names.program}:(slurmd OR slurmstepd)"
    return (
        _View("overview", "Log lines: overview", "*", (names.severity, names.program, names.node)),
        _View("job", "Log lines: per job", f"{names.job}:*", (names.job, names.user, names.program)),
        _View("slurmctld", "Log lines: slurmctld", controller, (names.severity, names.kind, names.job)),
        _View("slurmd", "Log lines: slurmd and slurmstepd", daemons, (names.severity, names.node, names.job)),
    )


def _data_view(pattern: str, names: FieldNames, pages_url: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {"title": pattern, "timeFieldName": TIME}
    if pages_url:
        link = {
            "id": "url",
            "params": {"urlTemplate": f"{pages_url}/jobs/{{{{rawValue}}}}", "labelTemplate": "{{value}}"},
        }
        attributes["fieldFormatMap"] = _text({names.job: link})
    return _object("index-pattern", _id("lines"), attributes)


def _objects_of(view: _View, names: FieldNames) -> Iterator[dict[str, Any]]:
    panels = [("visualization", _id(view.key, "time"), 0, 0, _WIDTH, _CHART_HEIGHT)]
    yield _chart(view, "time", f"{view.title}, over time", _over_time(names))
    width = _WIDTH // len(view.charts)
    for number, field in enumerate(view.charts):
        key = f"by{number}"
        yield _chart(view, key, f"{view.title}, by {field}", _by(field))
        panels.append(("visualization", _id(view.key, key), number * width, _CHART_HEIGHT, width, _CHART_HEIGHT))
    yield _list(view, names)
    panels.append(("search", _id(view.key, "lines"), 0, 2 * _CHART_HEIGHT, _WIDTH, _LIST_HEIGHT))
    yield _dashboard(view, panels)


def _over_time(names: FieldNames) -> dict[str, Any]:
    time = {"field": TIME, "interval": "auto", "min_doc_count": 1, "useNormalizedOpenSearchInterval": True}
    aggregations = [
        _aggregation("1", "count", "metric", {}),
        _aggregation("2", "date_histogram", "segment", time),
        _aggregation("3", "terms", "group", _terms(names.severity, 8)),
    ]
    return {"type": "histogram", "params": {"type": "histogram", "addLegend": True}, "aggs": aggregations}


def _by(field: str) -> dict[str, Any]:
    aggregations = [_aggregation("1", "count", "metric", {}), _aggregation("2", "terms", "bucket", _terms(field, 20))]
    return {"type": "table", "params": {"perPage": 10, "showTotal": False}, "aggs": aggregations}


def _terms(field: str, size: int) -> dict[str, Any]:
    return {"field": field, "size": size, "order": "desc", "orderBy": "1", "otherBucket": False}


def _aggregation(number: str, kind: str, schema: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"id": number, "enabled": True, "type": kind, "schema": schema, "params": params}


def _chart(view: _View, key: str, title: str, state: dict[str, Any]) -> dict[str, Any]:
    attributes = {
        "title": title,
        "description": "",
        "version": 1,
        "uiStateJSON": "{}",
        "visState": _text({"title": title, **state}),
        "kibanaSavedObjectMeta": {"searchSourceJSON": _source(view.query)},
    }
    return _object("visualization", _id(view.key, key), attributes, [_index()])


def _list(view: _View, names: FieldNames) -> dict[str, Any]:
    attributes = {
        "title": f"{view.title}, line by line",
        "description": "",
        "version": 1,
        "hits": 0,
        "columns": [names.node, names.program, names.severity, names.job, names.message],
        "sort": [[TIME, "desc"]],
        "kibanaSavedObjectMeta": {"searchSourceJSON": _source(view.query)},
    }
    return _object("search", _id(view.key, "lines"), attributes, [_index()])


def _dashboard(view: _View, panels: Sequence[tuple[str, str, int, int, int, int]]) -> dict[str, Any]:
    placed, references = [], []
    for number, (kind, object_id, x, y, width, height) in enumerate(panels):
        name, grid = f"panel_{number}", {"x": x, "y": y, "w": width, "h": height, "i": str(number)}
        placed.append(
            {
                "version": _PANEL_VERSION,
                "gridData": grid,
                "panelIndex": str(number),
                "embeddableConfig": {},
                "panelRefName": name,
            }
        )
        references.append({"name": name, "type": kind, "id": object_id})
    attributes = {
        "title": view.title,
        "description": "",
        "version": 1,
        "hits": 0,
        "panelsJSON": _text(placed),
        "optionsJSON": _text({"hidePanelTitles": False, "useMargins": True}),
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text({"query": _query("*"), "filter": []})},
    }
    return _object("dashboard", _id(view.key), attributes, references)


def _object(
    kind: str, object_id: str, attributes: dict[str, Any], references: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    return {
        "id": object_id,
        "type": kind,
        "attributes": attributes,
        "references": list(references),
        "migrationVersion": {kind: _MIGRATED[kind]},
    }


def _index() -> dict[str, str]:
    return {"name": _INDEX_REFERENCE, "type": "index-pattern", "id": _id("lines")}


def _source(query: str) -> str:
    return _text({"query": _query(query), "filter": [], "indexRefName": _INDEX_REFERENCE})


def _query(text: str) -> dict[str, str]:
    return {"query": text, "language": "lucene"}


def _id(*parts: str) -> str:
    return "-".join(("slurmlens", "logs", *parts))


def _text(value: Any) -> str:
    """Objects inside attributes are texts of JSON."""
    return _encoder.encode(value).decode()
