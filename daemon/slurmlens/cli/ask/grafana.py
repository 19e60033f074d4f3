"""A Grafana, asked over HTTP: boards and annotations by its API of 11 to 13.

Owns the requests and what their answers mean. `/api` alone: Grafana 13 calls it deprecated and keeps it; `/apis` is not
spoken. Invariants: nothing outside one folder is touched; a board that somebody else saved last is neither overwritten
nor removed (the message of its last version tells); a refused board is that board's fault alone. Format: Grafana
documentation, "HTTP API": search, folders, dashboards, dashboard versions, annotations. Used by `slurmlens dashboards`.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from slurmlens.errors import GrafanaError
from slurmlens.hub.dashboards.job_marks import JOBS, JobMark
from slurmlens.shown.text import visible

TIMEOUT_S = 15.0
MOST_BYTES = 64 * 1024 * 1024
PAGE = 1000
MOST_MARKS = 5000
KNOWN_MAJORS = range(11, 14)
SAID = "slurmlens "
"""How the message of each version that is ours begins."""
CONTENT = "content-"
"""How the tag begins that says what a board is made of, so that a list of boards tells which have changed."""


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


class _Version(msgspec.Struct):
    message: str = ""


class _Versions(msgspec.Struct):
    versions: tuple[_Version, ...] = ()


class _Mark(msgspec.Struct):
    id: int
    tags: tuple[str, ...] | None = None
    text: str = ""
    time: int = 0
    timeEnd: int = 0  # noqa: N815  # Grafana's name


class Grafana:
    """One Grafana. `token` is a service account's with the role of an editor."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token

    def check_release(self) -> str:
        """Its version; GrafanaError where it is one that nobody has read the API of."""
        told = self._ask("GET", "/api/health", kind=dict[str, Any])
        version = str(told.get("version", ""))
        major = version.partition(".")[0]
        if not major.isdecimal() or int(major) not in KNOWN_MAJORS:
            wanted = f"{KNOWN_MAJORS.start} to {KNOWN_MAJORS.stop - 1}"
            raise GrafanaError(f"Grafana is of version {visible(version) or 'unknown'}; {wanted} are known")
        return version

    def publish(self, tag: str, boards: Mapping[str, bytes], folder: str) -> Published:
        """Makes the boards of one cluster (its `tag`) in our folder these, by uid."""
        self._make_folder(folder)
        there = {board.uid: board for board in self._listed(tag, folder)}
        written, edited, refused = 0, [], []
        changed = {uid: body for uid, body in boards.items() if _content_of(body) not in _tags_of(there.get(uid))}
        for uid, body in sorted(changed.items()):
            if uid in there and not self._is_ours(uid):
                edited.append(uid)
                continue
            try:
                self._save(body, folder, overwrite=uid in there)
                written += 1
            except GrafanaError as error:
                if error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.PRECONDITION_FAILED):
                    raise
                refused.append(f"{uid}: {error}")
        gone = sorted(there.keys() - boards.keys())
        kept = [uid for uid in gone if not self._is_ours(uid)]
        for uid in sorted(set(gone) - set(kept)):
            self._ask("DELETE", f"/api/dashboards/uid/{uid}", missing_is_well=True)
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

    def _make_folder(self, uid: str) -> None:
        if self._ask("GET", f"/api/folders/{uid}", missing_is_well=True, kind=dict[str, Any]) is None:
            self._ask("POST", "/api/folders", {"uid": uid, "title": uid})

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
        versions = self._ask(
            "GET", f"/api/dashboards/uid/{uid}/versions?limit=1", kind=_Versions | list[_Version], missing_is_well=True
        )
        latest = versions.versions if isinstance(versions, _Versions) else versions or ()
        return not latest or latest[0].message.startswith(SAID)

    def _save(self, body: bytes, folder: str, *, overwrite: bool) -> None:
        board = msgspec.json.decode(body)
        content = _content_of(body)
        board["tags"] = [*board["tags"], content]
        request = {"dashboard": board, "folderUid": folder, "overwrite": overwrite, "message": SAID + content}
        self._ask("POST", "/api/dashboards/db", request)

    def _ask(
        self, method: str, path: str, body: object = None, *, kind: Any = Any, missing_is_well: bool = False
    ) -> Any:
        """The decoded answer; None where there is nothing and that is well. GrafanaError says what is wrong."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310  # http, checked
        try:
            with urllib.request.build_opener(_NoRedirect()).open(request, timeout=TIMEOUT_S) as answer:
                text = answer.read(MOST_BYTES)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND and missing_is_well:
                return None
            raise GrafanaError(f"{method} {path}: {_refusal(error)}", status=error.code) from error
        except (OSError, http.client.HTTPException) as error:
            raise GrafanaError(f"no answer from Grafana at {self._url} ({error})") from error
        try:
            return msgspec.json.decode(text, type=kind) if text else None
        except msgspec.MsgspecError as error:
            raise GrafanaError(f"{method} {path}: this is no answer of Grafana's ({error})") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key goes to no other address than the one that was named."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _tags_of(board: _Found | None) -> Sequence[str]:
    return () if board is None else board.tags


def _content_of(body: bytes) -> str:
    return CONTENT + hashlib.blake2b(body, digest_size=8).hexdigest()


def _refusal(error: urllib.error.HTTPError) -> str:
    words = {
        HTTPStatus.UNAUTHORIZED: "the key is refused",
        HTTPStatus.FORBIDDEN: "the key may not do that: it takes the role of an editor",
    }
    try:
        told = msgspec.json.decode(error.read(10_000), type=dict[str, Any]).get("message", "")
    except (msgspec.MsgspecError, OSError):
        told = ""
    said = words.get(HTTPStatus(error.code), f"status {error.code}") if error.code in set(HTTPStatus) else str(error)
    return f"{said} ({visible(str(told))[:200]})" if told else said
