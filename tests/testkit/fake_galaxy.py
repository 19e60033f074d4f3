"""A Galaxy that answers what the trigger asks, over real HTTP, and can stall, lose answers, fail and refuse.

It keeps what Galaxy keeps: histories, workflows, invocations with a pause, jobs once released. `first_jobs` counts, by
the ticket's key, how often a workflow's first tool ran: the oracle of "exactly once". What was seen on a real Galaxy
26.1 stands in docs/galaxy.md and tests/galaxy.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from slurmlens.wire.assessment import Assessment, Ticket, read_document, write_document

KEY = "the-key-of-a-user"


class FakeGalaxy:
    """Served by `serving`. Faults are callables that are given (method, path) and are waited for."""

    def __init__(self) -> None:
        self.histories: dict[str, str] = {}
        self.workflows: dict[str, str] = {}
        self.datasets: dict[str, bytes] = {}
        self.invocations: dict[str, dict[str, Any]] = {}
        self.first_jobs: Counter[str] = Counter()
        self.cancelled = 0
        self.job_state = "ok"
        self.wrong_key = False
        self.never_ends = False
        self.is_away = False
        self.late: Callable[[str, str], float] = lambda method, path: 0.0
        """Seconds that an answer waits after what was asked for was done."""
        self.early: Callable[[str, str], float] = lambda method, path: 0.0
        """Seconds that a request waits before it is done, though its sender is gone by then."""
        self._numbers = itertools.count(1)
        self.url = ""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._faulty])
        app.add_routes(
            [
                web.get("/api/workflows", self._list_workflows),
                web.post("/api/workflows/upload", self._import),
                web.put("/api/workflows/{id}", self._rename),
                web.get("/api/histories", self._list_histories),
                web.post("/api/histories", self._make_history),
                web.post("/api/tools/fetch", self._upload),
                web.post("/api/workflows/{id}/invocations", self._invoke),
                web.get("/api/invocations", self._list_invocations),
                web.get("/api/invocations/{id}", self._show_invocation),
                web.delete("/api/invocations/{id}", self._cancel),
                web.put("/api/invocations/{id}/steps/{step}", self._release),
                web.get("/api/invocations/{id}/jobs_summary", self._summary),
                web.get("/api/datasets/{id}", self._dataset),
                web.get("/api/datasets/{id}/display", self._display),
            ]
        )
        return app

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.is_away:
            return web.json_response({"err_msg": "away"}, status=503)
        if self.wrong_key or request.headers.get("x-api-key") != KEY:
            return web.json_response({"err_msg": "Provided API key is not valid."}, status=401)
        body = await request.read()
        method, path = request.method, request.path

        async def work() -> web.StreamResponse:
            await asyncio.sleep(self.early(method, path))
            return await handler(request)  # type: ignore[no-any-return]

        del body
        answer = await asyncio.shield(asyncio.ensure_future(work()))  # done, whoever hangs up
        await asyncio.sleep(self.late(method, path))
        return answer

    def _new(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):06d}"

    async def _list_workflows(self, request: web.Request) -> web.Response:
        return web.json_response([{"id": id_, "name": name} for id_, name in self.workflows.items()])

    async def _import(self, request: web.Request) -> web.Response:
        assert "slurmlens_release" in str(await request.json())
        id_ = self._new("w")
        self.workflows[id_] = "imported"
        return web.json_response({"id": id_, "name": "imported"})

    async def _rename(self, request: web.Request) -> web.Response:
        self.workflows[request.match_info["id"]] = (await request.json())["name"]
        return web.json_response({"id": request.match_info["id"]})

    async def _list_histories(self, request: web.Request) -> web.Response:
        return web.json_response([{"id": id_, "name": name} for id_, name in self.histories.items()])

    async def _make_history(self, request: web.Request) -> web.Response:
        id_ = self._new("h")
        self.histories[id_] = (await request.json())["name"]
        return web.json_response({"id": id_})

    async def _upload(self, request: web.Request) -> web.Response:
        told = await request.json()
        targets = told["targets"] if isinstance(told["targets"], list) else msgspec.json.decode(told["targets"])
        id_ = self._new("d")
        self.datasets[id_] = targets[0]["items"][0]["paste_content"].encode()
        return web.json_response({"outputs": [{"id": id_}]})

    async def _invoke(self, request: web.Request) -> web.Response:
        if request.match_info["id"] not in self.workflows:
            return web.json_response({"err_msg": "no such workflow"}, status=404)
        told = await request.json()
        number = self._new("i")
        self.invocations[number] = {
            "id": number,
            "history_id": told["history"].removeprefix("hist_id="),
            "create_time": f"2026-01-01T00:00:{number}",
            "state": "ready",
            "ticket": told["inputs"]["ticket"]["id"],
            "action": None,
            "outputs": {},
        }
        return web.json_response({"id": number})

    async def _list_invocations(self, request: web.Request) -> web.Response:
        wanted = request.query.get("history_id")
        return web.json_response([one for one in self.invocations.values() if one["history_id"] == wanted])

    async def _show_invocation(self, request: web.Request) -> web.Response:
        one = self.invocations[request.match_info["id"]]
        steps = [
            {"id": "s1", "workflow_step_label": "slurmlens_release", "state": "scheduled", "action": one["action"]}
        ]
        return web.json_response({**one, "steps": steps})

    async def _cancel(self, request: web.Request) -> web.Response:
        self.invocations[request.match_info["id"]]["state"] = "cancelled"
        self.cancelled += 1
        return web.json_response({})

    async def _release(self, request: web.Request) -> web.Response:
        one = self.invocations[request.match_info["id"]]
        if one["action"] is not None:
            return web.json_response({"err_msg": "the step is not ready"}, status=400)
        one["action"], one["state"] = True, "scheduled"
        ticket = read_document(self.datasets[one["ticket"]], Ticket)
        self.first_jobs[ticket.key] += 1
        told = Assessment(ticket.key, ticket.job_id, ticket.run, "it failed", 0.5, (), ())
        output = self._new("d")
        self.datasets[output] = write_document(told)
        if not self.never_ends:
            one["outputs"] = {"summary": {"id": output, "src": "hda"}}
        return web.json_response({})

    async def _summary(self, request: web.Request) -> web.Response:
        return web.json_response({"states": {self.job_state: 7}})

    async def _dataset(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        size = len(self.datasets[id_])
        return web.json_response({
            "id": id_, "state": "ok", "file_size": size, "file_ext": "json", "name": "s", "extension": "json",
            "download_url": f"/api/datasets/{id_}/display",
        })  # fmt: skip

    async def _display(self, request: web.Request) -> web.Response:
        return web.Response(body=self.datasets[request.match_info["id"]])


class ServedGalaxy:
    """The fake in a thread of its own, for bioblend blocks; a context."""

    def __init__(self, galaxy: FakeGalaxy) -> None:
        self.galaxy = galaxy
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> FakeGalaxy:
        self._thread.start()
        assert self._ready.wait(30)
        return self.galaxy

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.run_forever()

    async def _serve(self) -> None:
        self._runner = web.AppRunner(self.galaxy.app(), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.galaxy.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._ready.set()
