"""A dashboard and its folder as resources of Grafana's newer API (`/apis`), and the data sources of boards: pure.

Owns names and versions of the groups, and the annotations that carry folder and message. Format: Grafana documentation,
"New API structure"; `Metadata` of npm package `@grafana/schema`; "Data source HTTP API".
"""

from __future__ import annotations

from typing import Any, NamedTuple

from slurmlens.hub.dashboards.grafana import DATA_SOURCE
from slurmlens.hub.dashboards.grafana_lines import SOURCE_UID, TYPES
from slurmlens.hub.dashboards.line_fields import ECS, TIME
from slurmlens.hub.dashboards.model import LineStore

VERSION = "v1"
BOARD_API, FOLDER_API = f"dashboard.grafana.app/{VERSION}", f"folder.grafana.app/{VERSION}"
FOLDER, MESSAGE = "grafana.app/folder", "grafana.app/message"
SAID = "slurmlens "
"""How the message of each version that is ours begins."""
Json = dict[str, Any]


class LatestVersion(NamedTuple):
    """A board's last version: whether we saved it, and its name there."""

    is_ours: bool
    version: str


def board_resource(board: Json, namespace: str, folder: str, message: str, over: LatestVersion | None) -> Json:
    """The resource that a board is saved as; `over` is the version that it replaces."""
    return {
        "apiVersion": BOARD_API,
        "kind": "Dashboard",
        "metadata": {
            "name": board["uid"],
            "namespace": namespace,
            "annotations": {FOLDER: folder, MESSAGE: message},
            **({} if over is None else {"resourceVersion": over.version}),
        },
        "spec": {key: value for key, value in board.items() if key != "uid"},
    }


def folder_resource(uid: str, namespace: str) -> Json:
    """The resource that our folder is made as."""
    metadata = {"name": uid, "namespace": namespace}
    return {"apiVersion": FOLDER_API, "kind": "Folder", "metadata": metadata, "spec": {"title": uid}}


def graphite_source(url: str) -> Json:
    """The data source that curves are asked from, as etc/grafana/datasources.yaml has it."""
    return {**_source("slurmlens", url), **DATA_SOURCE, "jsonData": {"graphiteVersion": "1.1"}}


def lines_source(store: LineStore, url: str, index: str) -> Json:
    """The data source that lines are asked from, as etc/grafana/datasources-lines.yaml has it."""
    told: Json = {"index": index, "timeField": TIME, "logMessageField": ECS.message, "logLevelField": ECS.severity}
    if store is LineStore.OPENSEARCH:
        told |= {"flavor": "opensearch", "version": "2.19.1"}
    return {**_source("slurmlens log lines", url), "type": TYPES[store], "uid": SOURCE_UID, "database": index} | {
        "jsonData": told
    }


def _source(name: str, url: str) -> Json:
    return {"name": name, "access": "proxy", "url": url}
