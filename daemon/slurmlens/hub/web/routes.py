"""The table of addresses: which is answered by whom. Adding a page is a file in `pages/` and a row here."""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.views.neighbourhood.build import PLURALS
from slurmlens.hub.web.addresses import JOB_SEGMENT
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.pages.campaign import CampaignPage
from slurmlens.hub.web.pages.cluster import ClusterPage
from slurmlens.hub.web.pages.common_cause import CommonCausePage
from slurmlens.hub.web.pages.entity import EntityPage
from slurmlens.hub.web.pages.findings import FindingsPage
from slurmlens.hub.web.pages.home import HomePage
from slurmlens.hub.web.pages.inventory import InventoryPage
from slurmlens.hub.web.pages.job import JobPage
from slurmlens.hub.web.pages.jobs import JobsPage
from slurmlens.hub.web.pages.login import LoginPage
from slurmlens.hub.web.pages.logs import LogsPage
from slurmlens.hub.web.pages.looks import LooksPage
from slurmlens.hub.web.pages.status import StatusPage

_DATA_FORM = r".{form:json|csv}"
_JOB = f"/jobs/{{job_id:{JOB_SEGMENT}}}"
_RUN = _JOB + r"/{run:\d{1,20}}"
_ENTITIES = {EntityKind(kind): f"/{plural}" for kind, plural in PLURALS.items() if kind != "job"}
_FINDING = r"/findings/{number:(?:F-)?\d{1,15}}"
_AROUND = "/inventory/{kind}/{name}"
API = "/api/v1"
"""Before every address that has data forms: the same as its JSON."""


class Pages(NamedTuple):
    """Whoever answers."""

    home: HomePage
    cluster: ClusterPage
    jobs: JobsPage
    job: JobPage
    entity: EntityPage
    inventory: InventoryPage
    campaigns: CampaignPage | None
    common_cause: CommonCausePage
    status: StatusPage
    login: LoginPage
    looks: LooksPage
    logs: LogsPage | None
    findings: FindingsPage | None
    assets: Assets


class Route(NamedTuple):
    """One address; `has_data_forms`: also with `.json` and `.csv` at its end; `is_open`: nobody need be known there."""

    path: str
    handler: Handler
    has_data_forms: bool = False
    method: str = "GET"
    is_open: bool = False


def table(pages: Pages) -> tuple[Route, ...]:
    """Every address but the one that takes events, which proves its senders itself."""
    return (
        Route("/", pages.home.first),
        Route("/me", pages.home.show, has_data_forms=True),
        Route("/cluster", pages.cluster.show, has_data_forms=True),
        Route(_JOB, pages.job.show, has_data_forms=True),
        Route(_RUN, pages.job.show, has_data_forms=True),
        Route(_JOB + "/live", pages.job.live),
        Route(_RUN + "/live", pages.job.live),
        Route(_JOB + "/events.json", pages.job.events),
        Route(_RUN + "/events.json", pages.job.events),
        Route("/jobs", pages.jobs.show, has_data_forms=True),
        *(Route(path, pages.entity.list_of(kind), has_data_forms=True) for kind, path in _ENTITIES.items()),
        *(Route(path + "/{name}", pages.entity.page_of(kind), has_data_forms=True) for kind, path in _ENTITIES.items()),
        Route("/common-cause", pages.common_cause.show, has_data_forms=True),
        Route(_AROUND + "/blast-radius", pages.inventory.blast_radius, has_data_forms=True),
        Route(_AROUND + "/difference", pages.inventory.difference, has_data_forms=True),
        Route(_AROUND, pages.inventory.neighbourhood, has_data_forms=True),
        *(() if pages.campaigns is None else _of_campaigns(pages.campaigns)),
        *(() if pages.logs is None else _of_logs(pages.logs)),
        *(() if pages.findings is None else _of_findings(pages.findings)),
        Route("/status", pages.status.show),
        Route("/status.json", pages.status.document),
        Route("/looks", pages.looks.show, has_data_forms=True),
        Route("/whoami.json", pages.login.who_am_i),
        Route("/login", pages.login.show, is_open=True),
        Route(r"/login/{token:[\w-]{1,128}}", pages.login.use_link, is_open=True),
        Route("/logout", pages.login.leave, method="POST", is_open=True),
        Route("/api/v1/login-links", pages.login.make_link, method="POST"),
        Route(r"/static/{version:\w+}/{name:[\w./-]+}", pages.assets.serve, is_open=True),
    )


def _of_logs(logs: LogsPage) -> tuple[Route, ...]:
    return (Route("/logs", logs.show), Route("/logs.json", logs.show), Route("/logs/live", logs.live))


def _of_campaigns(campaigns: CampaignPage) -> tuple[Route, ...]:
    return (
        Route("/campaigns", campaigns.listing, has_data_forms=True),
        Route("/campaigns/{user}/{name}", campaigns.show, has_data_forms=True),
        Route(API + "/campaigns/{user}/{name}/telling", campaigns.take, method="POST"),
    )


def _of_findings(findings: FindingsPage) -> tuple[Route, ...]:
    return (
        Route("/findings", findings.show_all, has_data_forms=True),
        Route("/findings/feedback", findings.feedback, has_data_forms=True),
        Route(_FINDING, findings.show, has_data_forms=True),
        Route(_FINDING + "/words", findings.say, method="POST"),
        Route(_FINDING + r"/words/{word:\d{1,15}}/undo", findings.undo, method="POST"),
    )


def route_definitions(pages: Pages) -> list[web.RouteDef]:
    """The table as aiohttp takes it. Data forms stand before all plain addresses: {user} would swallow "alice.json"."""
    rows = table(pages)
    with_data = [row for row in rows if row.has_data_forms]
    data = [web.get(row.path + _DATA_FORM, row.handler) for row in with_data]
    api = [web.get(API + row.path, _as_json(row.handler)) for row in with_data]
    return data + api + [_plain(row) for row in rows]


def open_handlers(pages: Pages) -> frozenset[Handler]:
    """Those that answer whoever asks."""
    return frozenset(row.handler for row in table(pages) if row.is_open)


def _plain(row: Route) -> web.RouteDef:
    return web.get(row.path, row.handler) if row.method == "GET" else web.post(row.path, row.handler)


def _as_json(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        request.match_info["form"] = "json"
        return await handler(request)

    return answer
