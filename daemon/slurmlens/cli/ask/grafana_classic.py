"""Boards by Grafana's classic API, `/api`: of 11 and 12, and of a 13 that does not serve the other.

Owns these requests. Format: Grafana documentation, "HTTP API": folders, dashboards, dashboard versions.
"""

from __future__ import annotations

from typing import Any

import msgspec

from slurmlens.cli.ask.grafana_requests import GrafanaRequests
from slurmlens.hub.dashboards.grafana_resource import SAID, LatestVersion


class _Version(msgspec.Struct):
    message: str = ""
    version: int = 0


class _Versions(msgspec.Struct):
    versions: tuple[_Version, ...] = ()


class ClassicBoards:
    """Folder and boards."""

    path = "/api"

    def __init__(self, requests: GrafanaRequests) -> None:
        self._ask = requests.ask

    def make_folder(self, uid: str) -> None:
        """Makes it where it is missing."""
        if self._ask("GET", f"/api/folders/{uid}", missing_is_well=True, kind=dict[str, Any]) is None:
            self._ask("POST", "/api/folders", {"uid": uid, "title": uid})

    def latest(self, uid: str) -> LatestVersion | None:
        """The board's last version; None where there is none."""
        told = self._ask(
            "GET", f"/api/dashboards/uid/{uid}/versions?limit=1", kind=_Versions | list[_Version], missing_is_well=True
        )
        if told is None:
            return None
        versions = told.versions if isinstance(told, _Versions) else told
        message = versions[0].message if versions else SAID  # nobody has saved it since it was made
        return LatestVersion(message.startswith(SAID), str(versions[0].version) if versions else "")

    def save(self, board: dict[str, Any], folder: str, message: str, over: LatestVersion | None) -> None:
        """Saves it as new, or over that version."""
        request = {"dashboard": board, "folderUid": folder, "overwrite": over is not None, "message": message}
        self._ask("POST", "/api/dashboards/db", request)

    def remove(self, uid: str) -> None:
        """Removes it; that it is gone is well."""
        self._ask("DELETE", f"/api/dashboards/uid/{uid}", missing_is_well=True)
