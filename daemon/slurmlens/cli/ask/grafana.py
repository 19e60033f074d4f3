"""A Grafana, asked over HTTP: boards, annotations and data sources of 11 to 13.

Owns what is published and what is left alone. Boards go by `/apis` where Grafana is 13 or newer and serves it, else by
`/api`; the search for boards, annotations and data sources go by `/api` everywhere, for `/apis` has them in no stable
form. Invariants: nothing outside one folder is touched; a board that somebody else saved last is neither overwritten
nor removed (the message of its last version tells); a refused board is that board's fault alone. Format: Grafana
documentation, "HTTP API": search, annotations, data sources. Used by `slurmlens dashboards`.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

import msgspec

from slurmlens.cli.ask.grafana_classic import ClassicBoards
from slurmlens.cli.ask.grafana_requests import GrafanaRequests
from slurmlens.cli.ask.grafana_resources import ResourceBoards
from slurmlens.errors import GrafanaError
from slurmlens.hub.dashboards.grafana_resource import SAID, LatestVersion
from slurmlens.hub.dashboards.job_marks import JOBS, JobMark
from slurmlens.shown.text import visible

PAGE = 1000
MOST_MARKS = 5000
KNOWN_MAJORS = range(11, 14)
RESOURCES_SINCE = 13
CONTENT = "content-"
"""How the tag begins that says what a board is made of, so that a list of boards tells which have changed."""
_REFUSED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}


class Published(NamedTuple):
    """What became of boards: `edited` were saved by somebody else and left alone, `refused` with why."""

    written: int
    unchanged: int
    removed: int
    edited: tuple[str, ...]
    refused: tuple[str, ...]


class _Found(msgspec.Struct):
    """A board in a list."""

    uid: str
    tags: tuple[str, ...] = ()


class _Mark(msgspec.Struct):
    id: int
    tags: tuple[str, ...] | None = None
    text: str = ""
    time: int = 0
    timeEnd: int = 0  # noqa: N815  # Grafana's name


class BoardApi(Protocol):
    """One of Grafana's two ways to keep boards."""

    path: str

    def make_folder(self, uid: str) -> None:
        """Makes it where it is missing."""

    def latest(self, uid: str) -> LatestVersion | None:
        """The board's last version; None where there is none."""

    def save(self, board: dict[str, Any], folder: str, message: str, over: LatestVersion | None) -> None:
        """Saves it as new, or over that version."""

    def remove(self, uid: str) -> None:
        """Removes it; that it is gone is well."""


class Grafana:
    """One Grafana. `token` is a service account's with the role of an editor; `namespace` is its organisation's."""

    def __init__(self, url: str, token: str, namespace: str = "default") -> None:
        requests = GrafanaRequests(url, token)
        self._ask = requests.ask
        self._boards: BoardApi = ClassicBoards(requests)
        self._resources = ResourceBoards(requests, namespace)

    @property
    def path(self) -> str:
        """By which of its ways boards go."""
        return self._boards.path

    def check_release(self) -> str:
        """Its version, by which the way of boards is chosen; GrafanaError where nobody has read its API."""
        told = self._ask("GET", "/api/health", kind=dict[str, Any])
        version = str(told.get("version", ""))
        major = version.partition(".")[0]
        if not major.isdecimal() or int(major) not in KNOWN_MAJORS:
            wanted = f"{KNOWN_MAJORS.start} to {KNOWN_MAJORS.stop - 1}"
            raise GrafanaError(f"Grafana is of version {visible(version) or 'unknown'}; {wanted} are known")
        if int(major) >= RESOURCES_SINCE and self._resources.is_served():
            self._boards = self._resources
        return version

    def make_source(self, source: Mapping[str, Any]) -> bool:
        """Makes a data source where its uid is not there yet; whether it did. One that is there is left as it is."""
        if self._ask("GET", f"/api/datasources/uid/{source['uid']}", missing_is_well=True) is not None:
            return False
        try:
            self._ask("POST", "/api/datasources", source)
        except GrafanaError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            advice = "that takes the role of an admin, or a file (etc/grafana)"
            raise GrafanaError(f"data source {source['name']} cannot be made: {advice}", status=error.status) from error
        return True

    def publish(self, tag: str, boards: Mapping[str, bytes], folder: str) -> Published:
        """Makes the boards of one cluster (its `tag`) in our folder these, by uid."""
        self._boards.make_folder(folder)
        there = {board.uid: board for board in self._listed(tag, folder)}
        written, edited, refused = 0, [], []
        changed = {uid: body for uid, body in boards.items() if _content_of(body) not in _tags_of(there.get(uid))}
        for uid, body in sorted(changed.items()):
            latest = self._boards.latest(uid) if uid in there else None
            if latest is not None and not latest.is_ours:
                edited.append(uid)
                continue
            try:
                self._save(body, folder, latest)
                written += 1
            except GrafanaError as error:
                if error.status not in _REFUSED:
                    raise
                refused.append(f"{uid}: {error}")
        gone = sorted(there.keys() - boards.keys())
        kept = [uid for uid in gone if not self._is_ours(uid)]
        for uid in sorted(set(gone) - set(kept)):
            self._boards.remove(uid)
        return Published(written, len(boards) - len(changed), len(gone) - len(kept), (*edited, *kept), tuple(refused))

    def mark(self, tag: str, marks: Iterable[JobMark]) -> tuple[int, int]:
        """Has an annotation of each run and ends those whose run has ended; how many were made, and changed."""
        wanted = list(marks)
        if not wanted:
            return 0, 0
        since = min(mark.begin_ms for mark in wanted)
        query = [("from", since), ("to", 2**53 - 1), ("tags", JOBS), ("tags", tag), ("limit", MOST_MARKS)]
        found = self._ask("GET", f"/api/annotations?{urllib.parse.urlencode(query)}", kind=list[_Mark])
        known = {one_tag: mark for mark in found for one_tag in mark.tags or () if one_tag.startswith("job:")}
        made = changed = 0
        for mark in wanted:
            old = known.get(mark.key)
            if old is None:
                self._ask("POST", "/api/annotations", mark.body)
                made += 1
            elif mark.end_ms is not None and (old.timeEnd, old.text) != (mark.end_ms, mark.text):
                self._ask("PATCH", f"/api/annotations/{old.id}", mark.body)
                changed += 1
        return made, changed

    def _listed(self, tag: str, folder: str) -> Sequence[_Found]:
        found: list[_Found] = []
        while len(found) % PAGE == 0:
            query = [("type", "dash-db"), ("folderUIDs", folder), ("tag", "slurmlens"), ("tag", tag)]
            query += [("limit", str(PAGE)), ("page", str(1 + len(found) // PAGE))]
            more = self._ask("GET", f"/api/search?{urllib.parse.urlencode(query)}", kind=list[_Found])
            if not more:
                break
            found += more
        return found

    def _is_ours(self, uid: str) -> bool:
        """Whether the board's last version was saved by us."""
        latest = self._boards.latest(uid)
        return latest is None or latest.is_ours

    def _save(self, body: bytes, folder: str, over: LatestVersion | None) -> None:
        board = msgspec.json.decode(body)
        content = _content_of(body)
        board["tags"] = [*board["tags"], content]
        self._boards.save(board, folder, SAID + content, over)


def _tags_of(board: _Found | None) -> Sequence[str]:
    return () if board is None else board.tags


def _content_of(body: bytes) -> str:
    return CONTENT + hashlib.blake2b(body, digest_size=8).hexdigest()
