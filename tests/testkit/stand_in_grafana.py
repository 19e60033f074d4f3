"""What of Grafana's HTTP APIs `slurmlens dashboards` speaks, `/api` and `/apis`, as its documentation describes them.

A stand-in: no Grafana is to be had for these tests. It keeps folders, boards with their versions, and annotations; it
refuses what the documentation says is refused (a key, a save over another version, a uid in use). It neither migrates
nor validates boards, and its search knows the parameters that are used here alone.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "glsa_made_up"  # of a stand-in


RESOURCES = "/apis/dashboard.grafana.app/v1/namespaces/default/dashboards"


def refused(code: int, reason: str, message: str) -> web.Response:
    """A refusal as `/apis` words it."""
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return web.json_response({**told, "code": code}, status=code)


@dataclass
class StandInGrafana:
    """Its state, which a test may look into and change."""

    version: str = "11.6.9"
    folders: set[str] = field(default_factory=set)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: dict[str, list[str]] = field(default_factory=dict)
    folder_of: dict[str, str] = field(default_factory=dict)
    marks: dict[int, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    has_bare_version_lists: bool = False
    """As of before 11.5: a list of versions without an object around it."""
    serves_resources: bool = True
    is_admin: bool = True
    """Whether the key may make data sources."""
    keeps_first_message: bool = True
    """The documentation promises messages of updates; of what made a board it says nothing."""
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    resources: list[dict[str, Any]] = field(default_factory=list)
    """What was saved by `/apis`, as it was sent."""

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)

    def edit(self, uid: str, title: str) -> None:
        """A person changes a board in the browser."""
        self.boards[uid]["title"] = title
        self.messages[uid].append("")

    def app(self) -> web.Application:
        """It, to be served."""
        app = web.Application(middlewares=[self._authorised], client_max_size=8 * 1024 * 1024)
        app.add_routes(
            [
                web.get("/api/health", self._health),
                web.get("/api/datasources/uid/{uid}", self._source),
                web.post("/api/datasources", self._new_source),
                web.get("/apis/{group}", self._group),
                web.get("/apis/folder.grafana.app/v1/namespaces/default/folders/{uid}", self._folder),
                web.post("/apis/folder.grafana.app/v1/namespaces/default/folders", self._new_folder_resource),
                web.get(RESOURCES, self._history),
                web.post(RESOURCES, self._create),
                web.put(f"{RESOURCES}/{{uid}}", self._update),
                web.delete(f"{RESOURCES}/{{uid}}", self._delete),
                web.get("/api/folders/{uid}", self._folder),
                web.post("/api/folders", self._new_folder),
                web.get("/api/search", self._search),
                web.post("/api/dashboards/db", self._save),
                web.get("/api/dashboards/uid/{uid}/versions", self._versions),
                web.delete("/api/dashboards/uid/{uid}", self._delete),
                web.get("/api/annotations", self._annotations),
                web.post("/api/annotations", self._annotate),
                web.patch("/api/annotations/{id}", self._change),
            ]
        )
        return app

    @web.middleware
    async def _authorised(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if request.path != "/api/health" and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Invalid API key"}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _source(self, request: web.Request) -> web.Response:
        found = self.sources.get(request.match_info["uid"])
        return web.json_response(found or {"message": "Data source not found"}, status=200 if found else 404)

    async def _new_source(self, request: web.Request) -> web.Response:
        if not self.is_admin:
            return web.json_response({"message": "You'll need additional permissions"}, status=403)
        told = await request.json()
        self.sources[told["uid"]] = told
        return web.json_response({"message": "Datasource added"})

    async def _group(self, request: web.Request) -> web.Response:
        name = request.match_info["group"]
        if self.version.startswith("11") or not self.serves_resources:
            raise web.HTTPNotFound
        versions = ["v1", "v1beta1"] if self.version.startswith("13") else ["v1beta1"]
        told = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
        return web.json_response({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": told})

    async def _new_folder_resource(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.folders.add(told["metadata"]["name"])
        return web.json_response(told, status=201)

    async def _history(self, request: web.Request) -> web.Response:
        assert request.query["labelSelector"] == "grafana.app/get-history=true"
        uid = request.query["fieldSelector"].removeprefix("metadata.name=")
        versions = [
            {
                "metadata": {
                    "name": uid,
                    "generation": number,
                    "resourceVersion": str(1000 + number),
                    "annotations": {"grafana.app/message": text} if text else {},
                },
                "spec": {},
            }
            for number, text in enumerate(self.messages.get(uid, ()) if uid in self.boards else (), 1)
        ]
        return web.json_response({"kind": "DashboardList", "items": versions[::-1][: int(request.query["limit"])]})

    async def _create(self, request: web.Request) -> web.Response:
        told = await request.json()
        if told["metadata"]["name"] in self.boards:
            return refused(409, "AlreadyExists", "dashboards already exists")
        return self._saved(told, told["metadata"]["annotations"]["grafana.app/message"], status=201)

    async def _update(self, request: web.Request) -> web.Response:
        told = await request.json()
        uid = told["metadata"]["name"]
        assert uid == request.match_info["uid"]
        if told["metadata"]["resourceVersion"] != str(1000 + len(self.messages[uid])):
            return refused(409, "Conflict", "the object has been modified")
        return self._saved(told, told["metadata"]["annotations"]["grafana.app/message"], status=200)

    def _saved(self, told: dict[str, Any], message: str, status: int) -> web.Response:
        uid, folder = told["metadata"]["name"], told["metadata"]["annotations"]["grafana.app/folder"]
        if folder not in self.folders:
            return refused(400, "BadRequest", "folder not found")
        self.resources.append(told)
        self.boards[uid], self.folder_of[uid] = {**told["spec"], "uid": uid}, folder
        is_first = not self.messages.get(uid)
        self.messages.setdefault(uid, []).append(message if self.keeps_first_message or not is_first else "")
        return web.json_response(told, status=status)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"commit": "x", "database": "ok", "version": self.version})

    async def _folder(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        if uid not in self.folders:
            return web.json_response({"message": "folder not found"}, status=404)
        return web.json_response({"uid": uid, "title": uid})

    async def _new_folder(self, request: web.Request) -> web.Response:
        told = await request.json()
        if told["uid"] in self.folders:
            return web.json_response({"message": "a folder with that uid exists"}, status=412)
        self.folders.add(told["uid"])
        return web.json_response(told)

    async def _search(self, request: web.Request) -> web.Response:
        tags, folders = request.query.getall("tag"), request.query.getall("folderUIDs")
        found = [
            {"uid": uid, "title": board["title"], "tags": board["tags"], "folderUid": self.folder_of[uid]}
            for uid, board in sorted(self.boards.items())
            if set(tags) <= set(board["tags"]) and self.folder_of[uid] in folders
        ]
        limit, page = int(request.query["limit"]), int(request.query["page"])
        return web.json_response(found[(page - 1) * limit : page * limit])

    async def _save(self, request: web.Request) -> web.Response:
        told = await request.json()
        board = told["dashboard"]
        uid = board["uid"]
        if told["folderUid"] not in self.folders:
            return web.json_response({"message": "folder not found"}, status=400)
        if uid in self.boards and not told["overwrite"]:
            answer = {"message": "A dashboard with the same uid already exists", "status": "name-exists"}
            return web.json_response(answer, status=412)
        self.boards[uid] = board
        self.folder_of[uid] = told["folderUid"]
        self.messages.setdefault(uid, []).append(told["message"])
        return web.json_response({"uid": uid, "status": "success", "version": len(self.messages[uid])})

    async def _versions(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        if uid not in self.boards:
            return web.json_response({"message": "Dashboard not found"}, status=404)
        told = [{"version": number, "message": text} for number, text in enumerate(self.messages[uid], 1)]
        latest = told[::-1][: int(request.query["limit"])]
        return web.json_response(latest if self.has_bare_version_lists else {"continueToken": "", "versions": latest})

    async def _delete(self, request: web.Request) -> web.Response:
        if self.boards.pop(request.match_info["uid"], None) is None:
            return web.json_response({"message": "Dashboard not found"}, status=404)
        return web.json_response({"message": "deleted"})

    async def _annotations(self, request: web.Request) -> web.Response:
        tags, since = set(request.query.getall("tags")), int(request.query["from"])
        found = [
            {"id": number, "timeEnd": mark["time"], **mark}
            for number, mark in self.marks.items()
            if tags <= set(mark["tags"]) and mark.get("timeEnd", mark["time"]) >= since
        ]
        return web.json_response(found[: int(request.query["limit"])])

    async def _annotate(self, request: web.Request) -> web.Response:
        number = next(self._ids)
        self.marks[number] = await request.json()
        return web.json_response({"message": "Annotation added", "id": number})

    async def _change(self, request: web.Request) -> web.Response:
        self.marks[int(request.match_info["id"])] |= await request.json()
        return web.json_response({"message": "Annotation patched"})
