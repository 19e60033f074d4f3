"""The table of addresses: which is answered by whom. Adding a page is a file in `pages/` and a row here."""

from __future__ import annotations

from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from slurmlens import __version__
from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.views.audit.view import AuditView
from slurmlens.hub.views.campaign.build import CampaignPageView, CampaignsView
from slurmlens.hub.views.capacity.view import CapacityView
from slurmlens.hub.views.cluster.view import ClusterView
from slurmlens.hub.views.cluster_map.view import ClusterMapView
from slurmlens.hub.views.common_cause.view import CommonCauseView
from slurmlens.hub.views.entity.view import EntitiesView, EntityView
from slurmlens.hub.views.finding.view import FeedbackView, FindingsView, FindingView
from slurmlens.hub.views.home.view import HomeView
from slurmlens.hub.views.investigation.view import InvestigationsView, InvestigationView
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.views.job_timeline.view import JobTimelineView
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.hub.views.looks.view import LooksView
from slurmlens.hub.views.management.view import ManagementView
from slurmlens.hub.views.neighbourhood.build import PLURALS
from slurmlens.hub.views.neighbourhood.view import BlastRadiusView, DifferenceView, NeighbourhoodView
from slurmlens.hub.views.report.view import ReportView
from slurmlens.hub.views.software.view import LibraryView, NodeSoftwareView, SoftwareView
from slurmlens.hub.views.workflow.view import WorkflowsView
from slurmlens.hub.web.addresses import FILTERS, JOB_SEGMENT
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.openapi import Described, describe
from slurmlens.hub.web.pages.api_description import ApiDescriptionPage
from slurmlens.hub.web.pages.audit import AuditPage
from slurmlens.hub.web.pages.campaign import CampaignPage
from slurmlens.hub.web.pages.capacity import CapacityPage
from slurmlens.hub.web.pages.cluster import ClusterPage
from slurmlens.hub.web.pages.cluster_map import ClusterMapPage
from slurmlens.hub.web.pages.common_cause import CommonCausePage
from slurmlens.hub.web.pages.entity import EntityPage
from slurmlens.hub.web.pages.findings import FindingsPage
from slurmlens.hub.web.pages.home import HomePage
from slurmlens.hub.web.pages.inventory import InventoryPage
from slurmlens.hub.web.pages.investigations import InvestigationsPage
from slurmlens.hub.web.pages.job import JobPage
from slurmlens.hub.web.pages.jobs import JobsPage
from slurmlens.hub.web.pages.login import LoginPage
from slurmlens.hub.web.pages.logs import LogsPage
from slurmlens.hub.web.pages.looks import LooksPage
from slurmlens.hub.web.pages.management import ManagementPage
from slurmlens.hub.web.pages.notices import NoticesPage
from slurmlens.hub.web.pages.reports import QUERY, ReportsPage
from slurmlens.hub.web.pages.silence import SilencePage
from slurmlens.hub.web.pages.software import SoftwarePage
from slurmlens.hub.web.pages.status import StatusPage
from slurmlens.hub.web.pages.workflows import WorkflowsPage

_DATA_FORM = r".{form:json|csv}"
_JOB = f"/jobs/{{job_id:{JOB_SEGMENT}}}"
_RUN = _JOB + r"/{run:\d{1,20}}"
_ENTITIES = {EntityKind(kind): f"/{plural}" for kind, plural in PLURALS.items() if kind != "job"}
_FINDING = r"/findings/{number:(?:F-)?\d{1,15}}"
_INVESTIGATION = r"/investigations/{number:(?:I-)?\d{1,12}}"
_AROUND = "/inventory/{kind}/{name}"
API = "/api/v1"
NOTICES = API + "/me/notices"
"""Before every address that has data forms: the same as its JSON."""


class Pages(NamedTuple):
    """Whoever answers."""

    home: HomePage
    cluster: ClusterPage
    cluster_map: ClusterMapPage
    jobs: JobsPage
    job: JobPage
    entity: EntityPage
    inventory: InventoryPage
    software: SoftwarePage | None
    campaigns: CampaignPage | None
    common_cause: CommonCausePage
    management: ManagementPage | None
    capacity: CapacityPage | None
    reports: ReportsPage | None
    status: StatusPage
    login: LoginPage
    looks: LooksPage
    logs: LogsPage | None
    findings: FindingsPage | None
    audit: AuditPage | None
    workflows: WorkflowsPage
    investigations: InvestigationsPage | None
    notices: NoticesPage | None
    description: ApiDescriptionPage
    silence: SilencePage
    assets: Assets


class Route(NamedTuple):
    """One address. `view` is what its JSON is: with it, the address is also there with `.json` and `.csv` at its end
    and under `/api/v1`; `query` are the names that may stand behind a question mark. `is_open`: nobody need be known.
    """

    path: str
    handler: Handler
    view: type | None = None
    query: tuple[str, ...] = ()
    method: str = "GET"
    is_open: bool = False


def table(pages: Pages) -> tuple[Route, ...]:
    """Every address but the one that takes events, which proves its senders itself."""
    return (
        Route("/", pages.home.first),
        Route("/me", pages.home.show, HomeView, ("user",)),
        Route("/cluster", pages.cluster.show, ClusterView, ("by", "figure", "partition", "since", "until")),
        Route("/cluster/map", pages.cluster_map.show, ClusterMapView, ("at",)),
        Route(_JOB, pages.job.show, JobView),
        Route(_RUN, pages.job.show, JobView),
        Route(_JOB + "/timeline", pages.job.timeline, JobTimelineView, ("margin_s",)),
        Route(_RUN + "/timeline", pages.job.timeline, JobTimelineView, ("margin_s",)),
        Route(_JOB + "/live", pages.job.live),
        Route(_RUN + "/live", pages.job.live),
        Route(_JOB + "/events.json", pages.job.events),
        Route(_RUN + "/events.json", pages.job.events),
        Route("/jobs", pages.jobs.show, JobsView, (*FILTERS, "after")),
        *(Route(path, pages.entity.list_of(kind), EntitiesView, ("at",)) for kind, path in _ENTITIES.items()),
        *(
            Route(path + "/{name}", pages.entity.page_of(kind), EntityView, ("at", "since", *FILTERS, "after"))
            for kind, path in _ENTITIES.items()
        ),
        Route("/common-cause", pages.common_cause.show, CommonCauseView, ("from", "to")),
        Route(_AROUND + "/blast-radius", pages.inventory.blast_radius, BlastRadiusView, ("at",)),
        Route(_AROUND + "/difference", pages.inventory.difference, DifferenceView, ("with", "at", "then")),
        Route(_AROUND, pages.inventory.neighbourhood, NeighbourhoodView, ("depth", "at")),
        *(() if pages.software is None else _of_software(pages.software)),
        *(() if pages.management is None else _of_usage(pages.management)),
        *(() if pages.capacity is None else (Route("/capacity", pages.capacity.show, CapacityView),)),
        *(() if pages.reports is None else _of_reports(pages.reports)),
        *(() if pages.campaigns is None else _of_campaigns(pages.campaigns)),
        *(() if pages.logs is None else _of_logs(pages.logs)),
        *(() if pages.findings is None else _of_findings(pages.findings)),
        Route("/workflows", pages.workflows.show, WorkflowsView),
        *(() if pages.audit is None else _of_audit(pages.audit)),
        *(() if pages.investigations is None else _of_investigations(pages.investigations)),
        *(() if pages.notices is None else _of_notices(pages.notices)),
        Route(API + "/openapi.json", pages.description.show),
        Route(API + r"/silence/{node:[\w.-]{1,255}}", pages.silence.show, is_open=True),
        Route("/status", pages.status.show),
        Route("/status.json", pages.status.document),
        Route("/looks", pages.looks.show, LooksView, ("who", "owner", "job_id", "before", "limit")),
        Route("/whoami.json", pages.login.who_am_i),
        Route("/login", pages.login.show, is_open=True),
        Route(r"/login/{token:[\w-]{1,128}}", pages.login.use_link, is_open=True),
        Route("/logout", pages.login.leave, method="POST", is_open=True),
        Route("/api/v1/login-links", pages.login.make_link, method="POST"),
        Route(r"/static/{version:\w+}/{name:[\w./-]+}", pages.assets.serve, is_open=True),
    )


def _of_software(software: SoftwarePage) -> tuple[Route, ...]:
    return (
        Route("/software", software.overview, SoftwareView, ("at",)),
        Route("/software/{name}", software.library, LibraryView, ("at",)),
        Route("/nodes/{name}/software", software.of_node, NodeSoftwareView, ("at",)),
    )


def _of_usage(management: ManagementPage) -> tuple[Route, ...]:
    return (
        Route("/management", management.show, ManagementView, ("from", "to", "by")),
        Route("/api/v1/usage/rebuild", management.rebuild, method="POST"),
    )


def _of_reports(reports: ReportsPage) -> tuple[Route, ...]:
    return (Route("/reports", reports.show, ReportView, QUERY), Route(r"/reports.{form:html|pdf}", reports.show))


def _of_logs(logs: LogsPage) -> tuple[Route, ...]:
    return (Route("/logs", logs.show), Route("/logs.json", logs.show), Route("/logs/live", logs.live))


def _of_campaigns(campaigns: CampaignPage) -> tuple[Route, ...]:
    return (
        Route("/campaigns", campaigns.listing, CampaignsView),
        Route("/campaigns/{user}/{name}", campaigns.show, CampaignPageView),
        Route(API + "/campaigns/{user}/{name}/telling", campaigns.take, method="POST"),
    )


def _of_findings(findings: FindingsPage) -> tuple[Route, ...]:
    return (
        Route("/findings", findings.show_all, FindingsView, ("state", "kind", "limit")),
        Route("/findings/feedback", findings.feedback, FeedbackView),
        Route(_FINDING, findings.show, FindingView),
        Route(_FINDING + "/words", findings.say, method="POST"),
        Route(_FINDING + r"/words/{word:\d{1,15}}/undo", findings.undo, method="POST"),
    )


def _of_audit(page: AuditPage) -> tuple[Route, ...]:
    return (Route("/audit", page.show, AuditView, ("day",)), Route(API + "/audit", page.make, method="POST"))


def _of_investigations(page: InvestigationsPage) -> tuple[Route, ...]:
    begin = "/investigations"
    return (
        Route(begin, page.show_all, InvestigationsView),
        Route(_INVESTIGATION, page.show, InvestigationView),
        Route(_INVESTIGATION + "/file.html", page.file),
        Route(_INVESTIGATION + r"/{what:problem|case}.toml", page.problem),
        *(Route(root + begin, page.begin, method="POST") for root in ("", API)),
        *(Route(root + _INVESTIGATION + "/changes", page.change, method="POST") for root in ("", API)),
        *(Route(root + _INVESTIGATION + "/again", page.again, method="POST") for root in ("", API)),
    )


def _of_notices(notices: NoticesPage) -> tuple[Route, ...]:
    return (Route(NOTICES, notices.show), Route(NOTICES, notices.change, method="POST"))


def route_definitions(pages: Pages) -> list[web.RouteDef]:
    """The table as aiohttp takes it. Data forms stand before all plain addresses: {user} would swallow "alice.json"."""
    rows = table(pages)
    with_data = [row for row in rows if row.view is not None]
    data = [web.get(row.path + _DATA_FORM, row.handler) for row in with_data]
    api = [web.get(API + row.path, _as_json(row.handler)) for row in with_data]
    return data + api + [_plain(row) for row in rows]


def description_of(pages: Pages) -> dict[str, Any]:
    """What of the table is JSON, as OpenAPI."""
    described = [Described(row.path, row.view, row.query) for row in table(pages) if row.view is not None]
    return describe(described, API, __version__)


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
