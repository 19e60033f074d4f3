"""Questions of log lines as Grafana's data sources for OpenSearch and Elasticsearch take them: pure.

Owns the data source's uid and type, the query models of both (the one is a fork of the other), and marks of lines.
Format: `ElasticsearchDataQuery` of npm package `@grafana/schema`; annotations as both data sources read them.
"""

from __future__ import annotations

from typing import Any

from slurmlens.hub.dashboards.line_fields import ECS, TIME
from slurmlens.hub.dashboards.model import Board, LinesAsked, LineStore, Panel, Shape

TYPES = {LineStore.OPENSEARCH: "grafana-opensearch-datasource", LineStore.ELASTICSEARCH: "elasticsearch"}
SOURCE_UID = "slurmlens-lines"
"""As etc/grafana/datasources-lines.yaml provisions it."""
MOST_VALUES = 10
MOST_LINES = 500
Json = dict[str, Any]


def line_source(store: LineStore) -> Json:
    """The data source that is asked."""
    return {"type": TYPES[store], "uid": SOURCE_UID}


def line_target(store: LineStore, asked: LinesAsked, panel: Panel, reference: str) -> Json:
    """A panel's target: counts over time, counts, or the lines."""
    target: Json = {
        "refId": reference,
        "datasource": line_source(store),
        "query": asked.query,
        "timeField": TIME,
        "alias": "",
        **({"queryType": "lucene"} if store is LineStore.OPENSEARCH else {}),
    }
    if panel.shape is Shape.LINES:
        lines = {"id": "1", "type": "logs", "settings": {"limit": str(MOST_LINES)}}
        return {**target, "metrics": [lines], "bucketAggs": []}
    settings = {"size": str(MOST_VALUES), "order": "desc", "orderBy": "_count", "min_doc_count": "1"}
    values = {"id": "2", "type": "terms", "field": asked.by, "settings": settings}
    times = {"id": "3", "type": "date_histogram", "field": TIME, "settings": {"interval": "auto", "min_doc_count": "0"}}
    buckets = [values] if panel.shape is Shape.TABLE else [values, times]
    return {**target, "metrics": [{"id": "1", "type": "count"}], "bucketAggs": buckets}


def lines_options() -> Json:
    """How lines are listed: the newest first, each with its time, its fields at a click."""
    return {
        "dedupStrategy": "none",
        "enableLogDetails": True,
        "prettifyLogMessage": False,
        "showCommonLabels": False,
        "showLabels": False,
        "showLogContextToggle": False,
        "showTime": True,
        "sortOrder": "Descending",
        "wrapLogMessage": True,
    }


def line_marks(board: Board) -> list[Json]:
    """What the board asks for: its error lines as marks; the query stands twice, for the newer of both forks reads the
    target and the older one what is beside it."""
    if board.line_store is None or not board.marked_lines:
        return []
    return [
        {
            "name": "Error lines",
            "iconColor": "orange",
            "enable": True,
            "hide": False,
            "datasource": line_source(board.line_store),
            "query": board.marked_lines,
            "target": {"refId": "Lines", "query": board.marked_lines},
            "timeField": TIME,
            "textField": ECS.message,
            "tagsField": ECS.program,
        }
    ]
