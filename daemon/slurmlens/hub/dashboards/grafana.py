"""A board as Grafana's dashboard JSON: the classic model, read by 11 to 13, with panels that all of these have.

Owns how Grafana writes a board down. Invariants: the same board makes the same bytes; no field is newer than 11, for
Grafana migrates older dashboards up and none down; what a user chose stands in a board's title, which is no template,
or in a list, where each character that means something to Markdown, HTML or Grafana's variables is an entity.
Format: Grafana documentation, "Dashboard JSON model"; the types are published as npm package `@grafana/schema`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from typing import Any

from slurmlens.hub.dashboards.grafana_lines import line_marks, line_source, line_target, lines_options
from slurmlens.hub.dashboards.job_marks import annotations_of
from slurmlens.hub.dashboards.model import Board, Cell, LineStore, Panel, Period, Shape, Variable
from slurmlens.hub.dashboards.texts import cluster_tag, escaped
from slurmlens.shown.text import clip, visible

SCHEMA_VERSION = 39
"""That of Grafana 11.0."""
DATA_SOURCE = {"type": "graphite", "uid": "slurmlens-graphite"}
"""As etc/grafana/datasources.yaml provisions it."""
TAG = "slurmlens"
COLUMNS = 24
PANEL_HEIGHT = 8
MOST_BESIDE = 4
MOST_TITLE_COLUMNS = 180
UNITS = {"cores": "none", "bytes": "bytes", "bytes/s": "Bps", "ratio": "percentunit", "count": "short", "1/s": "cps"}

Json = dict[str, Any]


def dashboard(board: Board, pages_url: str = "") -> bytes:
    """The board as a file; `pages_url` is where browsers reach the hub, empty: no links there."""
    shown: Json = {
        "uid": board.uid,
        "title": clip(visible(f"{board.cluster}: {board.title}"), MOST_TITLE_COLUMNS),
        "tags": [TAG, cluster_tag(board.cluster), board.kind.value],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": _time(board.period),
        "refresh": f"{board.refresh_s}s" if board.refresh_s else "",
        "annotations": {"list": [*annotations_of(board), *line_marks(board)]},
        "templating": {"list": [_variable(variable) for variable in board.variables]},
        "links": _links(board, pages_url),
        "panels": list(_panels(board, pages_url)),
    }
    return json.dumps(shown, sort_keys=True, indent=1).encode("ascii") + b"\n"


def reference_id(number: int) -> str:
    """The letters of a panel's target: A to Z, AA, AB …"""
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def _time(period: Period) -> Json:
    if period.begin_s is None:
        return {"from": f"now-{period.last_s}s", "to": "now"}
    return {"from": _moment(period.begin_s), "to": "now" if period.end_s is None else _moment(period.end_s)}


def _moment(time_s: int) -> str:
    return datetime.datetime.fromtimestamp(time_s, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": DATA_SOURCE,
        "query": variable.query,
        "refresh": 2,  # whenever the time range changes
        "regex": "",
        "sort": 5,  # alphabetical, whatever the case
        "multi": variable.is_several,
        "includeAll": False,
        "hide": 0,
        "options": [],
    }


def _links(board: Board, pages_url: str) -> list[Json]:
    menu = {"type": "dashboards", "title": "Boards", "tags": [TAG, cluster_tag(board.cluster)], "asDropdown": True}
    page = {"type": "link", "title": "On slurmlens", "url": pages_url + board.page, "tags": [], "asDropdown": False}
    rest = {"icon": "external link", "includeVars": False, "keepTime": False, "targetBlank": False, "tooltip": ""}
    return [{"url": "", **link, **rest} for link in ([menu, page] if pages_url and board.page else [menu])]


def _panels(board: Board, pages_url: str) -> Iterator[Json]:
    number, top = 1, 0
    for row in board.rows:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": place}
        number, top = number + 1, top + 1
        beside = len(row.panels) if len(row.panels) <= MOST_BESIDE else MOST_BESIDE - 1
        for at, panel in enumerate(row.panels):
            width = COLUMNS // beside
            place = {"x": at % beside * width, "y": top + at // beside * PANEL_HEIGHT, "w": width, "h": PANEL_HEIGHT}
            yield {"id": number, "gridPos": place, **_panel(panel, pages_url, board.line_store)}
            number += 1
        top += -(-len(row.panels) // beside) * PANEL_HEIGHT


def _panel(panel: Panel, pages_url: str, store: LineStore | None) -> Json:
    shared: Json = {"title": panel.title, "description": panel.note}
    if panel.shape is Shape.LIST:
        return {**shared, "type": "text", "options": {"mode": "markdown", "content": _markdown(panel, pages_url)}}
    shared["datasource"], shared["targets"] = _asked(panel, store)
    defaults: Json = {"unit": UNITS[panel.unit]}
    shared["fieldConfig"] = {"defaults": defaults, "overrides": []}
    if panel.shape is Shape.FIGURE:
        return {**shared, "type": "stat", "options": _figure_options()}
    if panel.shape is Shape.LINES:
        return {**shared, "type": "logs", "options": lines_options()}
    if panel.shape is Shape.TABLE:
        reducers = {"id": "reduce", "options": {"reducers": ["lastNotNull", "max", "mean"]}}
        transformed = {} if panel.lines else {"transformations": [reducers]}
        return {**shared, "type": "table", **transformed, "options": {"frameIndex": 0, "showHeader": True}}
    defaults["custom"] = _curve(panel)
    return {**shared, "type": "timeseries", "options": _curve_options()}


def _asked(panel: Panel, store: LineStore | None) -> tuple[Json, list[Json]]:
    """The data source and its targets."""
    if store is not None and panel.lines:
        asked = enumerate(panel.lines)
        return line_source(store), [line_target(store, one, panel, reference_id(at)) for at, one in asked]
    return DATA_SOURCE, [
        {"refId": reference_id(at), "datasource": DATA_SOURCE, "target": target}
        for at, target in enumerate(panel.targets)
    ]


def _curve(panel: Panel) -> Json:
    return {
        "drawStyle": "bars" if panel.lines else "line",
        "lineInterpolation": "stepAfter" if panel.is_stepped else "linear",
        "lineWidth": 1,
        "fillOpacity": 80 if panel.lines else 30 if panel.is_stacked else 0,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
    }


def _curve_options() -> Json:
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _figure_options() -> Json:
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "none",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }


def _markdown(panel: Panel, pages_url: str) -> str:
    if not panel.cells:
        return "none\n"
    lines = [_line(panel.columns), _line(["---"] * len(panel.columns))]
    return "\n".join([*lines, *(_line([_cell(cell, pages_url) for cell in row]) for row in panel.cells)]) + "\n"


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _cell(cell: Cell, pages_url: str) -> str:
    text = escaped(cell.text)
    address = f"/d/{cell.board}" if cell.board else pages_url + cell.page if cell.page and pages_url else ""
    return f"[{text}](<{address}>)" if address and text.strip() else text
