"""The hub, wired: the one place where its rooms meet.

    nodes ─► web ─► intake ─► history ─► queries ─► views ─► web, JSON
                                 │ ▲
                                 ▼ │
                    news ─► refresh, packing, poller, consul, queue_series, what pages watch
                      ▲
                   poller ◄─ slurm

Owns the order in which things begin and end, and nothing else: every loop is a stage of the room that it works for, and
what one room has to say to others goes by `news`. What web needs is spelled out as protocols in `web.ports`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from slurmlens import __version__
from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.errors import SourceError
from slurmlens.hub.access.control import AccessControl, RuledAccess
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.aging import kinds_that_age
from slurmlens.hub.audit.opening import open_audit
from slurmlens.hub.campaigns.keeping import Campaigns
from slurmlens.hub.controller_hooks.opening import stages_of_controller_hooks
from slurmlens.hub.controller_hooks.read import ControllerQueries
from slurmlens.hub.database import change_feed
from slurmlens.hub.database.database_file import DatabaseFile
from slurmlens.hub.database.retention import Retention
from slurmlens.hub.database.store import Store, StoreError
from slurmlens.hub.findings.opening import open_findings, stages_of_findings
from slurmlens.hub.history.opening import stages_of_history
from slurmlens.hub.history.read.earlier_runs import EarlierRuns
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.applying import Applier
from slurmlens.hub.intake.ingest import Ingest
from slurmlens.hub.intake.line_addresses import line_addresses
from slurmlens.hub.intake.origins import NodeOrigins
from slurmlens.hub.intake.profile_demand import ProfileDemand
from slurmlens.hub.intake.refusals import Refusals
from slurmlens.hub.inventory.keeper import InventoryKeeper
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.read.software import SoftwareQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.inventory.service_watch import ServiceWatch
from slurmlens.hub.investigations.keeping import InvestigationStore
from slurmlens.hub.keepers import KEEPERS
from slurmlens.hub.logs.opening import open_logs
from slurmlens.hub.news import News, NodesReceived, SightingsClosed
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.hub.notices.opening import open_notices
from slurmlens.hub.progress.read import ProgressQueries
from slurmlens.hub.reports.making import ReportMaker
from slurmlens.hub.reports.room import stages_of_mail
from slurmlens.hub.scheduler.opening import stages_of_access, stages_of_scheduler
from slurmlens.hub.scheduler.queue_series import QueueSeries
from slurmlens.hub.scheduler.records import SchedulerRecords
from slurmlens.hub.scheduler.state import SchedulerSilence, SchedulerState
from slurmlens.hub.scheduler.stored_nodes import StoredNodes
from slurmlens.hub.stages import RoomStages
from slurmlens.hub.status import HubStatus
from slurmlens.hub.usage.room import UsageRoom
from slurmlens.hub.web.app import make_app
from slurmlens.hub.web.doors import Bounds, Doors
from slurmlens.hub.web.listener import Listener
from slurmlens.hub.workers.known import WorkerTold
from slurmlens.hub.workers.tables import hub_workers  # noqa: F401  # the schema has it with one hub, too
from slurmlens.hub.workflows.opening import open_workflows
from slurmlens.runtime.authentication import Authenticator
from slurmlens.runtime.process import raise_descriptor_limit
from slurmlens.runtime.supervisor import Stage, Supervisor
from slurmlens.runtime.tls import ServerTls
from slurmlens.slurm.pyslurm_source import prefer_pyslurm
from slurmlens.slurm.records import JobRecord
from slurmlens.slurm.source import CommandSource, Scheduler
from slurmlens.telemetry.internal import Reporter

if TYPE_CHECKING:
    from slurmlens.delivery.points import Find, PointDelivery
    from slurmlens.hub.consul import HubConsul
    from slurmlens.hub.graph.projecting import GraphProjector
    from slurmlens.hub.intake.kafka import KafkaIntake
    from slurmlens.hub.workers.membership import WorkerMembership


@dataclass(frozen=True)
class _Opened:
    """What had to be waited for, and what everything is made with."""

    config: HubConfig
    clock: Clock
    reporter: Reporter
    news: News
    announcer: Announcer
    store: Store
    applier: Applier
    scheduler: Scheduler
    tls: ServerTls | None
    database: DatabaseFile | None


class HubPipeline:
    """All stages of one hub. Make it with `await HubPipeline.open(…)`; `run` works until cancelled, `stop` closes."""

    def __init__(self, opened: _Opened) -> None:
        config, clock, store, news = opened.config, opened.clock, opened.store, opened.news
        told = (news, clock, opened.reporter)
        self._opened = opened
        self._supervisor = Supervisor(opened.reporter, clock)
        self._state = SchedulerState(asked_since_ns=clock.wall_ns())
        self._silence = SchedulerSilence(self._state, config.slurm.poll_interval_s, clock)
        self._records = SchedulerRecords(store, opened.applier.concluder, config.cluster, opened.announcer)
        self._origins = NodeOrigins(news, clock, relays=config.auth.relays)
        self._demand = ProfileDemand(news, config.profile)
        self._refusals = Refusals(opened.applier.count_refusals, clock)
        self._queries = Queries(
            store,
            opened.applier.beats,
            clock,
            config.cluster,
            accounting=config.slurm.accounting,
            scheduler_silent_since=self._silence.since_ns,
        )
        self._progress = ProgressQueries(store, opened.applier.beats, config.cluster)
        self._doors = Doors(Bounds.of_descriptors(raise_descriptor_limit()), opened.reporter)
        self._access = _access_control(opened)
        tls = None if opened.tls is None else opened.tls.context
        self._listener = Listener(config.listen, self._doors, tls, config.local_socket)
        self._consul = self._make_consul()
        self._points = self._make_points()
        self._retention = Retention(store, kinds_that_age(config), clock)
        self._log_points = self._make_log_points()
        write = None if self._log_points is None else self._log_points.put
        self._logs = open_logs(config, store, news, clock, opened.reporter, write)
        self._workers = self._make_workers()
        self._led: Callable[[Stage], Stage] = (
            (lambda stage: stage) if self._workers is None else self._workers.leadership.led
        )
        self._kafka = self._make_kafka_intake()
        self._graph = self._make_graph()
        self._add_stages_of_workers()
        self._findings = open_findings(config, store, news, clock, opened.reporter)
        self._usage = UsageRoom(store, config.cluster, news, clock)
        self._add(stages_of_history(store, opened.applier, opened.announcer, lambda: self._state.last_queue_ns, *told))
        self._add(RoomStages(led=(("retention", self._retention.run),)))
        self._add(stages_of_scheduler(opened.scheduler, self._records, self._state, config, store, *told))
        self._add(stages_of_access(self._access.ruled, config, news, opened.reporter))
        self._add_stages_of_inventory()
        self._add(RoomStages(led=self._usage.stages))
        self._add(RoomStages(led=tuple(stages_of_mail(config, store, self._usage.queries, clock, opened.reporter))))
        self._add(stages_of_controller_hooks(config, store, news, clock, opened.reporter))
        self._add_stages_of_the_port()
        self._add_queue_series()
        if self._findings is not None:
            self._add(stages_of_findings(self._findings, self._queries, config, store, self._logs, *told))
        self._workflows = open_workflows(config, store, news, clock, opened.reporter, self._jobs_of_findings)
        if self._workflows is not None:
            self._supervisor.add("workflows", self._led(self._workflows[1]))
        self._audit = open_audit(config, store, self._queries, clock, opened.reporter)
        if self._audit is not None:
            self._supervisor.add("audit", self._led(self._audit[1].run))
        self._notices = open_notices(
            config, store, self._queries, self._progress, self._findings, clock, opened.reporter
        )
        if self._notices is not None:
            self._add(self._notices[1])

    @classmethod
    async def open(
        cls, config: HubConfig, clock: Clock, reporter: Reporter, database: DatabaseFile | None = None
    ) -> HubPipeline:
        """Opens everything that can fail for a setting's sake, the port last; ConfigError says which."""
        tls = ServerTls(config.listen) if config.listen.is_tls else None
        news = News()
        announcer = Announcer(news, reporter)
        store = await Store.open(config.database.url, shared=config.database.shared)
        try:
            applier = await Applier.load(store, announcer, KEEPERS)
            scheduler: Scheduler = CommandSource(config.slurm)
            with suppress(SourceError):  # squeue is not there now: the poller will say so, again and again
                scheduler = await prefer_pyslurm(scheduler)
            pipeline = cls(_Opened(config, clock, reporter, news, announcer, store, applier, scheduler, tls, database))
            await pipeline._begin()
        except BaseException:
            await store.close()
            raise
        return pipeline

    @property
    def port(self) -> int | None:
        """The port that is bound."""
        return self._listener.port

    async def run(self) -> None:
        """Works until cancelled."""
        await self._supervisor.run()

    async def stop(self) -> None:
        """Ends live pages, finishes requests, closes port and database. Call it when `run` has ended."""
        self._opened.news.close()
        if self._logs is not None:
            self._logs.tail.close()
        await self._listener.close()
        if self._logs is not None:
            await self._logs.close()
        for points in (self._points, self._log_points):
            if points is not None:
                points.tell_backlog()
        if self._access.ruled is not None:
            await self._access.ruled.looks.write()
        with suppress(StoreError):  # the next heartbeats say the same
            await self._opened.applier.beats.write(self._opened.store)
        await self._opened.store.close()

    async def _begin(self) -> None:
        """Knows the nodes that an earlier hub heard of, then answers."""
        if self._graph is None:
            await change_feed.nobody_follows(self._opened.store, self._opened.config.cluster)
        self._opened.news.publish(NodesReceived(tuple((await self._records.nodes()).values())))
        config, clock, reporter = self._opened.config, self._opened.clock, self._opened.reporter
        prove = Authenticator(config.auth, self._origins)
        ingest = Ingest(
            cluster=config.cluster,
            max_body_bytes=config.listen.max_body_bytes,
            prove=prove,
            apply=self._opened.applier.apply,
            wanted_interval_s=self._demand.wanted_interval_s,
            refusals=self._refusals,
            reporter=reporter,
            clock=clock,
            relays=config.auth.relays,
        )
        status = HubStatus(
            cluster=config.cluster,
            clock=clock,
            queries=self._queries,
            scheduler=self._state,
            watcher_count=self._demand.watcher_count,
            stages=self._supervisor.states,
            workers=self._workers,
            kafka=None if self._kafka is None else self._kafka.share,
            graph=None if self._graph is None else self._graph.lag,
            consul=None if self._consul is None else self._consul.status,
            points=[one for one in (self._points, self._log_points) if one is not None],
            retention=self._retention,
            counters=reporter.counters,
            database=self._opened.database,
            logs=None if self._logs is None else self._logs.source,
        )
        app = make_app(
            doors=self._doors,
            queries=self._queries,
            progress=self._progress,
            node_states=NodeStateQueries(self._opened.store, config.cluster),
            software=SoftwareQueries(self._opened.store, config.cluster),
            scheduler_load=self._silence.load,
            controller=ControllerQueries(self._opened.store, config.cluster),
            earlier=EarlierRuns(self._opened.store, config.cluster),
            inventory=InventoryQueries(self._opened.store, config.cluster),
            campaigns=Campaigns(self._opened.store, config.cluster, self._opened.news, clock),
            usage=self._usage.queries,
            reports=ReportMaker(self._usage.queries, config.cluster, config.management),
            live=self._demand,
            take_events=ingest.take,
            status=status,
            logs=None if self._logs is None else self._logs.source,
            log_tail=None if self._logs is None else self._logs.tail,
            findings=self._findings,
            audit=self._audit,
            investigations=InvestigationStore(self._opened.store, config.cluster),
            triggers=None if self._workflows is None else self._workflows[0],
            notices=None if self._notices is None else self._notices[0],
            take_lines=line_addresses(self._logs, config, prove, clock, reporter),
            settings=config,
            clock=clock,
            access=self._access,
            reporter=reporter,
        )
        await self._listener.open(app)

    def _add(self, stages: RoomStages) -> None:
        for name, stage in stages.led:
            self._supervisor.add(name, self._led(stage))
        for name, stage in stages.everywhere:
            self._supervisor.add(name, stage)

    def _make_consul(self) -> HubConsul | None:
        config = self._opened.config
        if config.consul is None:
            return None
        from slurmlens.hub.consul import HubConsul  # late: most hubs have none

        return HubConsul(
            config,
            config.consul,
            port=lambda: self._listener.port,
            stages=self._supervisor.states,
            silent_since_ns=self._silence.since_ns,
            look_up=self._latest_record,
            news=self._opened.news,
            reporter=self._opened.reporter,
            clock=self._opened.clock,
        )

    def _make_points(self) -> PointDelivery | None:
        config = self._opened.config.series_2015
        if config is None:
            return None
        find = None if self._consul is None else self._consul.endpoint
        return self._points_to(config.host, config.port, find)

    def _make_log_points(self) -> PointDelivery | None:
        """Where series of lines go: an address of its own, for rules may be another team's."""
        config = self._opened.config.log_series
        return None if config is None else self._points_to(config.host, config.port, None)

    def _points_to(self, host: str, port: int, find: Find | None) -> PointDelivery:
        from slurmlens.delivery.points import carbon_points  # late: most hubs send none

        return carbon_points(host, port, self._opened.config.cluster, find, self._opened.clock, self._opened.reporter)

    async def _latest_record(self, job_id: int) -> JobRecord | None:
        facts = await self._queries.job_facts(EVERYBODY, job_id)  # Consul shows it to all
        return None if facts is None else facts.record

    def _make_workers(self) -> WorkerMembership | None:
        """What there is to being one of several hubs; None where this one has the database alone."""
        config, reporter = self._opened.config, self._opened.reporter
        if not config.database.shared:
            return None
        from slurmlens.hub.workers.membership import WorkerMembership  # late: it needs the driver of PostgreSQL

        host, started_ns = socket.gethostname(), self._opened.clock.wall_ns()
        return WorkerMembership(
            config.database.url,
            self._opened.news,
            reporter,
            started_ns=started_ns,
            name=lambda: f"{host}:{self._listener.port}",
            tell=lambda: WorkerTold(
                host=host,
                pid=os.getpid(),
                version=__version__,
                watchers=self._demand.watcher_count(),
                scheduler=msgspec.to_builtins(self._state),
                kafka=None if self._kafka is None else self._kafka.share,
            ),
            hear_leader=lambda told: self._state.adopt(told.scheduler),
        )

    def _make_graph(self) -> GraphProjector | None:
        """The projection into Neo4j, which follows what is written from here on."""
        config, store = self._opened.config, self._opened.store
        if config.graph is None:
            return None
        from slurmlens.hub.graph.projecting import GraphProjector  # late: most hubs have none

        store.notes_changes = True
        return GraphProjector(store, config.graph, config.cluster, self._opened.news, self._opened.clock)

    def _make_kafka_intake(self) -> KafkaIntake | None:
        config = self._opened.config
        if config.kafka is None:
            return None
        from slurmlens.hub.intake.kafka import KafkaIntake  # late: most hubs have none

        return KafkaIntake(
            config.kafka,
            config.cluster,
            apply=self._opened.applier.apply,
            check=self._records.open_executions,
            refusals=self._refusals,
            reporter=self._opened.reporter,
            clock=self._opened.clock,
        )

    def _add_stages_of_workers(self) -> None:
        """What a hub does for the others' sake, and takes from them."""
        workers, store, news = self._workers, self._opened.store, self._opened.news
        if workers is None:
            return
        beats = self._opened.applier.beats
        nodes = StoredNodes(self._records, news, lambda: workers.leadership.leads)
        self._supervisor.add("workers", workers.run)
        self._supervisor.add("nodes of the others", nodes.run)
        self._supervisor.add("closed by the others", partial(beats.keep_closed, store, news.subscribe(SightingsClosed)))
        self._supervisor.add("watched here", self._demand.tell_watched)

    def _add_stages_of_inventory(self) -> None:
        config = self._opened.config
        recorder = InventoryRecorder(self._opened.store, config.cluster)
        keeper = InventoryKeeper(
            recorder, config.cluster, config.inventory, self._opened.news, self._opened.clock, self._opened.reporter
        )
        if config.consul is not None:
            watch = ServiceWatch(config.consul, recorder, self._opened.clock, self._opened.reporter)
            self._supervisor.add("services", self._led(watch.run))
        self._supervisor.add("inventory", keeper.run)  # not led: each writes what it was told itself

    def _add_stages_of_the_port(self) -> None:
        self._supervisor.add("doors", self._doors.watch)
        self._supervisor.add("refusals", self._refusals.run)
        if self._kafka is not None:
            self._supervisor.add("kafka", self._kafka.run)
        if self._graph is not None:
            self._supervisor.add("graph", self._led(self._graph.run))
        if self._logs is not None:
            for name, stage in self._logs.stages():
                self._supervisor.add(name, stage)
        if self._opened.tls is not None:
            self._supervisor.add("certificate", partial(self._opened.tls.keep_fresh, self._opened.reporter))

    async def _jobs_of_findings(self) -> list[tuple[int, int]]:
        return [] if self._findings is None else await self._findings.jobs_touched()

    def _add_queue_series(self) -> None:
        """The series of 2015, and Consul, which may know where their carbon is."""
        config, points, clock = self._opened.config.series_2015, self._points, self._opened.clock
        if config is not None and points is not None:
            series = QueueSeries(config.interval_s, points.put, self._silence.since_ns, self._opened.news, clock)
            self._supervisor.add("queue series", self._led(series.run))
            for name, stage in points.stages():
                self._supervisor.add(name, stage)
        for name, stage in () if self._log_points is None else self._log_points.stages():
            self._supervisor.add(f"lines' {name}", stage)
        for name, stage in () if self._consul is None else self._consul.stages:
            self._supervisor.add(name, stage)
        for name, stage in () if self._consul is None else self._consul.led_stages:
            self._supervisor.add(name, self._led(stage))


def _access_control(opened: _Opened) -> AccessControl:
    config = opened.config
    if config.access is None:
        return AccessControl()
    return AccessControl(
        RuledAccess.make(config.access, config.auth, config.cluster, opened.store, opened.clock, opened.reporter)
    )
