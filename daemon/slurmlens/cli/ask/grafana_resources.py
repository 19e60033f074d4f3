"""Boards by Grafana's newer API, `/apis`, as 13 serves it: folders and dashboards as resources of a namespace.

Owns these requests. Only what is generally available is asked (`v1`): 12 serves `v1beta1`, which knows no history of a
board, so nobody could tell there who saved it last. Format: Grafana documentation, "Dashboard API", "Folder API",
"Resource history".
"""

from __future__ import annotations

import urllib.parse
from typing import Any

import msgspec

from slurmlens.cli.ask.grafana_requests import GrafanaRequests
from slurmlens.hub.dashboards.grafana_resource import (
    BOARD_API,
    FOLDER_API,
    MESSAGE,
    SAID,
    VERSION,
    LatestVersion,
    board_resource,
    folder_resource,
)


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    generation: int = 0
    annotations: dict[str, str] = {}


class _Resource(msgspec.Struct):
    metadata: _Metadata


class _History(msgspec.Struct):
    items: tuple[_Resource, ...] = ()


class _Served(msgspec.Struct):
    version: str


class _ApiGroup(msgspec.Struct):
    versions: tuple[_Served, ...] = ()


class ResourceBoards:
    """Folder and boards in one namespace (`default` is the first organisation)."""

    path = "/apis"

    def __init__(self, requests: GrafanaRequests, namespace: str) -> None:
        self._ask = requests.ask
        self._namespace = namespace
        self._folders = f"/apis/{FOLDER_API}/namespaces/{namespace}/folders"
        self._boards = f"/apis/{BOARD_API}/namespaces/{namespace}/dashboards"

    def is_served(self) -> bool:
        """Whether this Grafana has both groups in the version that is spoken."""
        for api in (BOARD_API, FOLDER_API):
            group = self._ask("GET", f"/apis/{api.partition('/')[0]}", kind=_ApiGroup, missing_is_well=True)
            if group is None or VERSION not in {one.version for one in group.versions}:
                return False
        return True

    def make_folder(self, uid: str) -> None:
        """Makes it where it is missing."""
        if self._ask("GET", f"{self._folders}/{uid}", missing_is_well=True) is None:
            self._ask("POST", self._folders, folder_resource(uid, self._namespace))

    def latest(self, uid: str) -> LatestVersion | None:
        """The board's last version; None where there is none."""
        query = {"labelSelector": "grafana.app/get-history=true", "fieldSelector": f"metadata.name={uid}", "limit": 1}
        told = self._ask("GET", f"{self._boards}?{urllib.parse.urlencode(query)}", kind=_History)
        if not told.items:
            return None
        metadata = told.items[0].metadata
        # the message is promised for updates alone: what was never changed is as we made it
        is_ours = metadata.generation == 1 or metadata.annotations.get(MESSAGE, "").startswith(SAID)
        return LatestVersion(is_ours, metadata.resource_version)

    def save(self, board: dict[str, Any], folder: str, message: str, over: LatestVersion | None) -> None:
        """Saves it as new, or over exactly that version: who saved it meanwhile is not overwritten."""
        resource = board_resource(board, self._namespace, folder, message, over)
        if over is None:
            self._ask("POST", self._boards, resource)
        else:
            self._ask("PUT", f"{self._boards}/{board['uid']}", resource)

    def remove(self, uid: str) -> None:
        """Removes it; that it is gone is well."""
        self._ask("DELETE", f"{self._boards}/{uid}", missing_is_well=True)
