"""The hub's HTTP application: its pages put together, and the headers that every answer carries.

Made by `hub.pipeline` with `make_app`; which address is answered by whom stands in `routes`. Owns nothing that lives
longer than a request. The content security policy allows what this process serves and nothing else: no inline script,
no style attribute, no other host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slurmlens.clock import Clock, SystemClock
from slurmlens.config.hub import HubConfig
from slurmlens.errors import PageError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.audit.keeping import AuditStore
from slurmlens.hub.audit.stage import Auditor
from slurmlens.hub.investigations.keeping import InvestigationStore
from slurmlens.hub.logs.store import LogReads
from slurmlens.hub.logs.tail import LogTail
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.reports.making import ReportMaker
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.beginnings import Beginnings
from slurmlens.hub.web.conditional import conditional_middleware
from slurmlens.hub.web.doors import BODY_S, Doors
from slurmlens.hub.web.error_pages import error_middleware
from slurmlens.hub.web.host_check import host_middleware
from slurmlens.hub.web.investigating import InvestigationAnswers
from slurmlens.hub.web.job_listing import JobListing
from slurmlens.hub.web.navigation import navigation_of
from slurmlens.hub.web.pages.api_description import ApiDescriptionPage
from slurmlens.hub.web.pages.audit import AuditPage
from slurmlens.hub.web.pages.campaign import CampaignPage
from slurmlens.hub.web.pages.capacity import CapacityPage
from slurmlens.hub.web.pages.cluster import ClusterPage, ClusterReads
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
from slurmlens.hub.web.pages.reports import ReportsPage
from slurmlens.hub.web.pages.silence import SilencePage
from slurmlens.hub.web.pages.software import SoftwarePage
from slurmlens.hub.web.pages.status import StatusPage
from slurmlens.hub.web.pages.workflows import WorkflowsPage
from slurmlens.hub.web.ports import (
    CampaignStore,
    ControllerReads,
    EarlierReads,
    FindingReads,
    HistoryQueries,
    InventoryReads,
    JobSources,
    LiveFeed,
    NodeStateReads,
    ProgressReads,
    SchedulerLoadOf,
    SoftwareReads,
    StatusOf,
    TakeEvents,
    TriggerReads,
    UsageReads,
)
from slurmlens.hub.web.render import make_environment
from slurmlens.hub.web.routes import API, Pages, description_of, open_handlers, route_definitions, table
from slurmlens.hub.web.session import session_middleware
from slurmlens.hub.web.window import window_middleware
from slurmlens.runtime.http_server import RETRY_AFTER_S
from slurmlens.telemetry.internal import Reporter

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


def make_app(
    *,
    queries: HistoryQueries,
    progress: ProgressReads,
    inventory: InventoryReads,
    live: LiveFeed,
    take_events: TakeEvents,
    status: StatusOf,
    settings: HubConfig,
    notices: NoticeStore | None = None,
    investigations: InvestigationStore | None = None,
    audit: tuple[AuditStore, Auditor] | None = None,
    access: AccessControl | None = None,
    reporter: Reporter | None = None,
    usage: UsageReads | None = None,
    reports: ReportMaker | None = None,
    logs: LogReads | None = None,
    log_tail: LogTail | None = None,
    campaigns: CampaignStore | None = None,
    findings: FindingReads | None = None,
    triggers: TriggerReads | None = None,
    node_states: NodeStateReads | None = None,
    software: SoftwareReads | None = None,
    scheduler_load: SchedulerLoadOf | None = None,
    controller: ControllerReads | None = None,
    earlier: EarlierReads | None = None,
    take_lines: Mapping[str, TakeEvents] = MappingProxyType({}),
    doors: Doors | None = None,
    clock: Clock | None = None,
) -> web.Application:
    """The application; `clock` is the machine's unless a test says otherwise, which may also do without the rest."""
    control, clock = access or AccessControl(), clock or SystemClock()
    environment = make_environment(assets := Assets())
    listing = JobListing(queries, progress, clock, control)
    cluster = settings.cluster
    of_cluster = ClusterReads(queries, inventory, node_states, scheduler_load, usage)
    answers = InvestigationAnswers(inventory, findings, logs, cluster, control)
    sources = JobSources(progress, logs, findings, triggers, node_states, controller, earlier, inventory)
    pages = Pages(
        home=HomePage(listing, findings, environment, usage),
        cluster=ClusterPage(of_cluster, findings, environment, cluster, clock),
        cluster_map=ClusterMapPage(inventory, environment, cluster, clock, control),
        jobs=JobsPage(listing, environment),
        job=JobPage(queries, sources, live, environment, control),
        entity=EntityPage(listing, inventory, findings, node_states, environment, cluster, clock, control),
        inventory=InventoryPage(inventory, software, environment, cluster, clock, control),
        software=None if software is None else SoftwarePage(software, environment, cluster, clock),
        common_cause=CommonCausePage(inventory, environment, cluster, clock),
        management=None if usage is None else ManagementPage(usage, environment, cluster, settings.management, clock),
        capacity=None if usage is None else CapacityPage(usage, node_states, inventory, environment, settings, clock),
        reports=None if reports is None else ReportsPage(reports, environment, settings.management, clock),
        status=StatusPage(status, environment),
        login=LoginPage(control, environment, settings.listen),
        looks=LooksPage(control, environment),
        campaigns=_campaign_page(campaigns, inventory, environment, cluster, clock, control),
        logs=None if logs is None else LogsPage(logs, log_tail or LogTail(), environment, clock, control, settings),
        findings=None if findings is None else FindingsPage(findings, environment, cluster, clock),
        notices=None if notices is None or settings.notices is None else NoticesPage(notices, settings.notices, clock),
        silence=SilencePage(settings.silence),
        workflows=WorkflowsPage(triggers, environment, cluster, clock),
        audit=None if audit is None else AuditPage(*audit, environment, cluster, clock, control),
        investigations=None
        if investigations is None
        else InvestigationsPage(investigations, answers, Beginnings(queries, findings), environment, cluster, clock),
        description=ApiDescriptionPage(lambda: description_of(pages)),
        assets=assets,
    )
    taking = _takers({**take_lines, "events": take_events}, doors)
    inner = [session_middleware(control, open_handlers(pages) | {*taking.values()}, reporter), window_middleware(clock)]
    return _application([*_middlewares(environment, settings, doors), *inner], settings, environment, pages, taking)


def _campaign_page(
    campaigns: CampaignStore | None,
    inventory: InventoryReads,
    environment: jinja2.Environment,
    cluster: str,
    clock: Clock,
    control: AccessControl,
) -> CampaignPage | None:
    if campaigns is None:
        return None
    return CampaignPage(campaigns, inventory, environment, cluster, clock, control)


def _application(
    through: list[Middleware],
    settings: HubConfig,
    environment: jinja2.Environment,
    pages: Pages,
    taking: Mapping[str, Handler],
) -> web.Application:
    """Every address behind what every request goes through; the navigation has those of them that it knows."""
    app = web.Application(middlewares=through, client_max_size=settings.listen.max_body_bytes)
    app.on_response_prepare.append(_secure)
    rooms = ("audit", "software")
    environment.globals["rooms"] = {name: getattr(pages, name) is not None for name in rooms}
    environment.globals["navigation"] = navigation_of({route.path for route in table(pages)})
    app.add_routes([*route_definitions(pages), *(web.post(path, handler) for path, handler in taking.items())])
    return app


def _middlewares(environment: jinja2.Environment, settings: HubConfig, doors: Doors | None) -> list[Middleware]:
    """What every request goes through before somebody is asked who he is."""
    through = [] if doors is None else [doors.middleware()]
    return [*through, error_middleware(environment), host_middleware(settings.listen), conditional_middleware()]


def _takers(takes: Mapping[str, TakeEvents], doors: Doors | None) -> dict[str, Handler]:
    """Who takes what nodes send, by address."""
    return {f"{API}/{name}": _intake_handler(take, doors) for name, take in takes.items()}


def _intake_handler(take: TakeEvents, doors: Doors | None) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(BODY_S):
                body = await request.read()
        except TimeoutError as error:
            raise PageError(408, "slow", f"the body did not come within {BODY_S:g} s", "Send it again.") from error
        status, answer = await take(body, request.headers, request.remote)
        if status == 200 and doors is not None:
            doors.proved(request)
        response = web.Response(status=status, body=answer, content_type="application/json")
        if status == 503:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response

    return handler


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "private, no-cache")
