"""The web application with rules, over a real history with jobs of several people: what proves who sees what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, DummyCookieJar
from aiohttp.test_utils import TestServer

from slurmlens.config.access import AccessConfig
from slurmlens.config.auth import AuthConfig
from slurmlens.config.hub import HubConfig
from slurmlens.config.management import ManagementConfig
from slurmlens.config.notices import NoticesConfig
from slurmlens.config.workflows import WorkflowsConfig
from slurmlens.hub.access.control import AccessControl, RuledAccess
from slurmlens.hub.access.viewer import Role, Viewer
from slurmlens.hub.audit.keeping import AuditStore
from slurmlens.hub.audit.stage import Auditor
from slurmlens.hub.campaigns.keeping import Campaigns
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.read.software import SoftwareQueries
from slurmlens.hub.investigations.beginning import around, begin
from slurmlens.hub.investigations.keeping import InvestigationStore
from slurmlens.hub.logs.query import JobOwner
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.logs.tail import LogTail
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.progress.read import ProgressQueries
from slurmlens.hub.reports.making import ReportMaker
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.web.app import make_app
from slurmlens.hub.web.session import COOKIE
from slurmlens.hub.workflows.due import failed_tickets
from slurmlens.hub.workflows.store import TriggerStore
from slurmlens.log_lines import LogLine
from slurmlens.slurm.accounted_use import AccountedUse
from slurmlens.slurm.records import Decoded
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.access_people import PEOPLE, SETTINGS, MadeUsers, tell_cluster, tell_jobs
from testkit.campaign_views import told_campaign
from testkit.findings import failing_node_claim, finding_room
from testkit.hub_history import History
from testkit.job_hub import Live, take_nothing
from testkit.manual_clock import ManualClock

LINES = ((42, "bob", "bio"), (None, None, None))
"""Job, user and account of the log lines: one of bob's job, one of no job."""


def line_of_job(job_id: int | None, now_ns: int) -> LogLine:
    """A line that names its job, where it has one."""
    return LogLine(id=f"of {job_id}", time_ns=now_ns, node="n1", message=f"job {job_id} says this", job_id=job_id)


async def started(history: History) -> TriggerStore:
    """A workflow that job 42 started by its failure."""
    triggers = TriggerStore(history.store, "demo")
    now_ns = history.clock.wall_ns()
    await triggers.make(failed_tickets(await triggers.runs_of([42]), "demo", WorkflowsConfig()), now_ns, 9)
    return triggers


async def nothing_was_used(from_s: int, to_s: int) -> Decoded[AccountedUse]:
    """What accounting says."""
    return Decoded((), 0)


@dataclass
class RuledHub:
    """A served hub with rules."""

    url: str
    history: History
    ruled: RuledAccess
    users: MadeUsers
    live: Live
    counters: Counters

    async def session(self, name: str) -> str:
        """A session of this user, as after opening his link."""
        token = await self.ruled.tokens.use_link(await self.ruled.tokens.make_link(name))
        assert token is not None
        return token

    async def cookies(self, name: str) -> dict[str, str]:
        """What this user's browser sends along."""
        return {COOKIE: await self.session(name)}

    async def status(self, viewer: Viewer) -> dict[str, object]:
        """What the hub's status says, without the parts that are not history's."""
        history = await self.history.queries.status(viewer)
        return {"nodes": [], "held": history.held, "refused": history.refused}


@asynccontextmanager
async def ruled_hub(folder: Path, **settings: object) -> AsyncIterator[RuledHub]:
    """With the people of `access_people`, their jobs, and `settings` in place of theirs."""
    clock, counters = ManualClock(), Counters()
    history = await History.open(f"sqlite:///{folder}/ruled.sqlite3", clock)
    users, live = MadeUsers(), Live()
    reporter = Reporter(counters, clock)
    access = AccessConfig(**SETTINGS | settings)
    auth = AuthConfig(munge=False, token_file=folder / "tokens")
    ruled = RuledAccess.make(access, auth, "demo", history.store, clock, reporter, users)
    await ruled.people.replace(PEOPLE)
    await tell_jobs(history)
    await tell_cluster(history)
    await UsageKeeper(history.store, "demo", history.news, clock).step()
    logs, log_tail = SqliteLogStore(folder / "logs", 14, clock), LogTail()
    await logs.append(
        [(line_of_job(job_id, clock.wall_ns()), JobOwner(user, account)) for job_id, user, account in LINES]
    )
    findings = finding_room(history)
    await findings.take([failing_node_claim("n1", jobs=(42,))])
    audits = AuditStore(history.store, "demo")
    investigations = InvestigationStore(history.store, "demo")
    bob = Viewer("bob", frozenset({Role.USER}))
    begun = begin("bob", clock.wall_ns(), "Job 42", around(None, None, clock.wall_ns()), [Entity("job", "42")])
    await investigations.keep(bob, begun)
    hub = RuledHub("", history, ruled, users, live, counters)
    campaigns = Campaigns(history.store, "demo", history.news, clock)
    await campaigns.take("bob", told_campaign("c", jobs=(43,)))
    app = make_app(
        campaigns=campaigns,
        queries=history.queries,
        progress=ProgressQueries(history.store, history.beats, "demo"),
        inventory=InventoryQueries(history.store, "demo"),
        software=SoftwareQueries(history.store, "demo"),
        usage=UsageQueries(history.store, "demo"),
        reports=ReportMaker(UsageQueries(history.store, "demo"), "demo", ManagementConfig()),
        live=live.demand,
        take_events=take_nothing,
        status=hub.status,
        settings=HubConfig(cluster="demo", notices=NoticesConfig(webhook_hosts=("chat.example.org",))),
        notices=NoticeStore(history.store, "demo"),
        node_states=NodeStateQueries(history.store, "demo"),
        logs=logs,
        log_tail=log_tail,
        findings=findings,
        investigations=investigations,
        triggers=await started(history),
        audit=(audits, Auditor(audits, nothing_was_used, history.queries.job_facts, clock, reporter)),
        access=AccessControl(ruled),
        reporter=reporter,
        clock=clock,
    )
    async with TestServer(app) as server:
        hub.url = str(server.make_url("")).rstrip("/")
        try:
            yield hub
        finally:
            live.close()
            log_tail.close()
    await logs.close()
    await history.close()


def browser(hub: RuledHub) -> ClientSession:
    """A client that keeps no cookies of its own."""
    return ClientSession(hub.url, cookie_jar=DummyCookieJar())
