"""The hub's HTTP application: which address is answered by whom, and the headers that every answer carries.

Made by `hub.pipeline` with `make_app`; owns the table of routes and nothing that lives longer than a request. The
content security policy allows what this process serves and nothing else: no inline script, no style attribute, no
other host.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from slurmlens.clock import Clock, SystemClock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.error_pages import error_middleware
from slurmlens.hub.web.host_check import host_middleware
from slurmlens.hub.web.pages import Pages
from slurmlens.hub.web.ports import LiveFeed, Queries, StatusOf, TakeEvents
from slurmlens.hub.web.render import make_environment

SECURITY_HEADERS: dict[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_JOB = r"/jobs/{job_id:\d+}"
_RUN = _JOB + r"/{run:\d+}"
_FORM = r".{form:json|csv}"


def make_app(
    *,
    queries: Queries,
    live: LiveFeed,
    take_events: TakeEvents,
    status: StatusOf,
    settings: HubConfig,
    clock: Clock | None = None,
) -> web.Application:
    """The application; `clock` is the machine's unless a test says otherwise."""
    assets = Assets()
    environment = make_environment(assets)
    pages = Pages(queries, live, status, environment, clock or SystemClock())
    app = web.Application(
        middlewares=[error_middleware(environment), host_middleware(settings.listen)],
        client_max_size=settings.listen.max_body_bytes,
    )
    app.on_response_prepare.append(_secure)
    app.add_routes(_routes(pages, assets))
    app.router.add_post("/api/v1/events", _events_handler(take_events))
    return app


def _routes(pages: Pages, assets: Assets) -> list[web.RouteDef]:
    lists = [
        web.get(path, pages.jobs)
        for base in ("/jobs", "/users/{user}", "/nodes/{node}", "/partitions/{partition}", "/accounts/{account}")
        for path in (base, base + _FORM)
    ]
    # Data forms stand before the plain address: {user} would swallow "alice.json" otherwise.
    lists.sort(key=lambda route: not route.path.endswith(_FORM))
    jobs = [web.get(base + form, pages.job) for base in (_JOB, _RUN) for form in (_FORM, "")]
    return [
        web.get("/", pages.home),
        *jobs,
        *(web.get(base + "/live", pages.job_live) for base in (_JOB, _RUN)),
        *(web.get(base + "/events.json", pages.job_events) for base in (_JOB, _RUN)),
        *lists,
        web.get("/status.json", pages.status),
        web.get(r"/static/{version:\w+}/{name:[\w./-]+}", assets.serve),
    ]


def _events_handler(take_events: TakeEvents) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, answer = await take_events(body, headers, request.remote)
        return web.Response(status=status, body=answer, content_type="application/json")

    return handler


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-cache")
