"""The hub, wired: the one place where its stages meet.

    nodes ─► web ─► ingest ─► history ─► queries ─► views ─► web, JSON
                       │          ▲          live ───────────► SSE
                       └─► live   │
                      slurm ─► poller ─► (refresh, reconcile)
                                  └────► queue_series ─► carbon_writer ─► carbon

Owns the stages' order of beginning and end, and the news that go between them: new events send the poller to
accounting; runs that were concluded anew are told to whoever watches. What each hands to the
web part is spelled out as protocols in `web.ports`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from slurmlens import __version__
from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.errors import ConfigError, SourceError
from slurmlens.events import JobEnd, JobStart
from slurmlens.hub.access.viewer import EVERYBODY, Viewer
from slurmlens.hub.carbon_writer import CarbonWriter
from slurmlens.hub.database.store import Store, StoreError
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.history.reconcile import Reconciler
from slurmlens.hub.history.record.applying import Applier
from slurmlens.hub.history.record.concluding import Concluded
from slurmlens.hub.history.record.packing import Packer
from slurmlens.hub.history.refresh import Refresher
from slurmlens.hub.intake.ingest import Ingest
from slurmlens.hub.intake.origins import NodeOrigins
from slurmlens.hub.news import Change, ChangeKind, Live
from slurmlens.hub.scheduler.poller import Poller
from slurmlens.hub.scheduler.queue_series import QueueSeries
from slurmlens.hub.scheduler.records import SchedulerRecords
from slurmlens.hub.scheduler.unconfirmed import Unconfirmed
from slurmlens.hub.web.app import make_app
from slurmlens.hub.web.doors import Bounds, Doors, DoorSite
from slurmlens.runtime.authentication import Authenticator
from slurmlens.runtime.descriptors import raise_descriptor_limit
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.runtime.loop_watch import watch_of_running_loop
from slurmlens.runtime.supervisor import Supervisor
from slurmlens.runtime.tls import ServerTls
from slurmlens.slurm.pyslurm_source import prefer_pyslurm
from slurmlens.slurm.records import JobRecord, NodeRecord, PartitionRecord
from slurmlens.slurm.source import CommandSource, Scheduler
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.received import ReceivedEvent, ReceivedSummary

if TYPE_CHECKING:
    from slurmlens.discovery.health import Health
    from slurmlens.hub.consul import HubConsul

RECONCILED = InternalEvent(
    "sightings_reconciled", logging.INFO, "closed {sighting}: nobody told its end ({reason})", ("reason",)
)
REFRESH_FAILED = InternalEvent(
    "runs_refresh_failed", logging.ERROR, "the runs of job {job_id} could not be made anew: {error}"
)

PROFILES_UNREADABLE = InternalEvent(
    "profiles_unreadable",
    logging.ERROR,
    "{count} profiles could not be read and are lost",
)

RECONCILE_EVERY_S = 5.0
REFRESH_EVERY_S = 0.2
"""How late a job of very many nodes may be shown."""

PACK_EVERY_S = 2.0
WRITE_BEATS_EVERY_S = 5.0
STATISTICS_EVERY_S = 3600.0

SHUTDOWN_S = 2.0

VITAL_STAGES = frozenset({"refresh"})
"""Without it nothing that comes in is ever shown."""


class HubPipeline:
    """All stages of one hub. `start` opens the database and the port, `run` works until cancelled, `stop` closes."""

    def __init__(self, config: HubConfig, clock: Clock, reporter: Reporter) -> None:
        self._config = config
        self._clock = clock
        self._reporter = reporter
        self.live = Live(config.profile)
        self._tls = ServerTls(config.listen) if config.listen.is_tls else None
        self.port: int | None = None
        """The port that is bound, once `start` has returned."""

    async def start(self) -> None:
        """Opens everything that can fail for a setting's sake; ConfigError says which."""
        self._store = await Store.open(self._config.database.url)
        self._applier = await Applier.load(self._store)
        self._applier.concluded = self._concluded
        concluder = self._applier.concluder
        self._refresher = Refresher(self._store, concluder)
        self._packer = Packer(self._store)
        self._reconciler = Reconciler(self._store, self._applier.beats, concluder, self._clock.wall_ns())
        accounting = self._config.slurm.accounting
        self._queries = Queries(
            self._store,
            self._applier.beats,
            self._clock,
            self._config.cluster,
            accounting=accounting,
            scheduler_silent_since=lambda: self._poller.silent_since_ns(),
        )
        self._records = SchedulerRecords(self._store, concluder, self._config.cluster)
        self._records.concluded = self._concluded
        self._unconfirmed = Unconfirmed(self._store, self._records, self._config.cluster, self._clock.wall_ns())
        self._origins = NodeOrigins(self._clock, relays=self._config.auth.relays)
        self._origins.replace((await self._records.nodes()).values())
        try:
            self._ingest = self._make_ingest()
            self._consul = self._make_consul()
            self._queue_series = self._make_queue_series()
            self._poller = await self._make_poller()
            await self._listen()
        except BaseException:
            await self._store.close()
            raise
        self._supervisor = Supervisor(self._reporter, self._clock)
        self._supervisor.add("queue", self._poller.poll_queue)
        self._supervisor.add("accounting", self._poller.poll_accounting)
        self._supervisor.add("refresh", self._keep_fresh)
        self._supervisor.add("reconcile", self._keep_reconciled)
        self._supervisor.add("doors", self._doors.watch)
        self._supervisor.add("packing", self._keep_packed)
        self._supervisor.add("beats", self._keep_beats)
        self._supervisor.add("statistics", self._keep_statistics)
        if self._tls is not None:
            self._supervisor.add("certificate", partial(self._tls.keep_fresh, self._reporter))
        for name, stage in () if self._consul is None else self._consul.stages:
            self._supervisor.add(name, stage)
        if self._queue_series is not None:
            self._supervisor.add("queue series", self._queue_series.run)
            self._supervisor.add("carbon", self._carbon.run)

    async def run(self) -> None:
        """Works until cancelled."""
        await self._supervisor.run()

    async def stop(self) -> None:
        """Ends live pages, finishes requests, closes port and database. Call it when `run` has ended."""
        self.live.close()
        await self._runner.cleanup()
        with suppress(StoreError):  # the next heartbeats say the same
            await self._applier.beats.write(self._store)
        await self._store.close()

    def _make_consul(self) -> HubConsul | None:
        config = self._config
        if config.consul is None:
            return None
        from slurmlens.hub.consul import HubConsul  # late: most hubs have none

        return HubConsul(
            config, config.consul, lambda: self.port, self._health, self._latest_record, self._reporter, self._clock
        )

    def _make_queue_series(self) -> QueueSeries | None:
        config = self._config.series_2015
        if config is None:
            return None
        where = FixedEndpoint if self._consul is None else partial(self._consul.endpoint, "carbon")
        self._carbon = CarbonWriter(where(config.host, config.port), self._reporter, self._clock)
        return QueueSeries(config.interval_s, self._carbon.write, lambda: self._poller.silent_since_ns(), self._clock)

    async def _latest_record(self, job_id: int) -> JobRecord | None:
        facts = await self._queries.job_facts(EVERYBODY, job_id)  # Consul shows it to all
        return None if facts is None else facts.record

    def _health(self) -> Health:
        """What Consul is told of this hub."""
        from slurmlens.discovery.health import judge

        silent = [] if self._poller.silent_since_ns() is None else ["the scheduler does not answer"]
        return judge(self._supervisor.states, silent, vital=VITAL_STAGES)

    def _take_partitions(self, partitions: Sequence[PartitionRecord], nodes: Sequence[NodeRecord]) -> None:
        if self._consul is not None:
            self._consul.take_partitions(partitions, nodes)

    def _make_ingest(self) -> Ingest:
        return Ingest(
            cluster=self._config.cluster,
            max_body_bytes=self._config.listen.max_body_bytes,
            prove=Authenticator(self._config.auth, self._origins),
            apply=self._applier.apply,
            live=self.live,
            reporter=self._reporter,
            clock=self._clock,
            applied=self._applied,
            relays=self._config.auth.relays,
        )

    async def _make_poller(self) -> Poller:
        scheduler: Scheduler = CommandSource(self._config.slurm)
        with suppress(SourceError):  # squeue is not there now: the poller will say so, again and again
            scheduler = await prefer_pyslurm(scheduler)
        consul = self._config.consul
        wants_partitions = consul is not None and consul.job_keys
        return Poller(
            scheduler,
            self._records,
            self._origins.replace,
            interval_s=self._config.slurm.poll_interval_s,
            clock=self._clock,
            reporter=self._reporter,
            cluster=self._config.cluster,
            partitions_told=self._take_partitions if wants_partitions else None,
            queue_told=None if self._queue_series is None else self._queue_series.take,
        )

    async def _listen(self) -> None:
        self._doors = Doors(Bounds.of_descriptors(raise_descriptor_limit()), self._reporter)
        app = make_app(
            doors=self._doors,
            queries=self._queries,
            live=self.live,
            take_events=self._ingest.take,
            status=self.status,
            settings=self._config,
            clock=self._clock,
        )
        # a credential binds the bytes as sent, so they must arrive as sent
        self._runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        listen = self._config.listen
        try:
            tls = None if self._tls is None else self._tls.context
            await DoorSite(self._runner, self._doors, listen.host, listen.port, tls).start()
        except OSError as error:
            await self._runner.cleanup()
            question = "; is another hub running?" if error.errno == errno.EADDRINUSE else ""
            message = f"{listen.host}:{listen.port} cannot be bound: {error.strerror}{question}"
            raise ConfigError(message, key="listen") from error
        self.port = self._runner.addresses[0][1]

    def _applied(self, new: Sequence[ReceivedEvent]) -> None:
        """Events were stored: accounting is to be asked about their jobs."""
        self._poller.news_of((event.job.job_id for event in new if isinstance(event, JobStart)), ended=False)
        ended = (event.job.job_id for event in new if isinstance(event, JobEnd | ReceivedSummary))
        self._poller.news_of(ended, ended=True)

    def _concluded(self, concluded: Concluded) -> None:
        """Runs were made anew: whoever watches is told."""
        for key, error in concluded.failed.items():
            self._reporter.report(REFRESH_FAILED, job_id=key.job_id, error=repr(error), cause=error)
        for key in concluded.done:
            self.live.publish(Change(kind=ChangeKind.VIEW, job_id=key.job_id))
        if self._consul is not None:
            self._consul.news_of(key.job_id for key in concluded.done)

    async def _keep_fresh(self) -> None:
        """A stage: makes anew what the storing transactions left, first of all what a crash left over."""
        while True:
            refreshed = await self._refresher.refresh(self._clock.wall_ns())
            self._concluded(refreshed)
            if not refreshed.done and not refreshed.failed:
                await asyncio.sleep(REFRESH_EVERY_S)

    async def _keep_packed(self) -> None:
        """A stage: packs the profiles of what came in."""
        while True:
            packed = await self._packer.pack()
            if packed.unreadable:
                self._reporter.report(PROFILES_UNREADABLE, count=packed.unreadable)
            if not packed.batches:
                await asyncio.sleep(PACK_EVERY_S)

    async def _keep_beats(self) -> None:
        """A stage: writes what is known of the nodes' heartbeats."""
        while True:
            await asyncio.sleep(WRITE_BEATS_EVERY_S)
            await self._applier.beats.write(self._store)

    async def _keep_statistics(self) -> None:
        """A stage: plans stay right while tables grow."""
        while True:
            await asyncio.sleep(STATISTICS_EVERY_S)
            await self._store.keep_statistics()

    async def _keep_reconciled(self) -> None:
        """A stage: closes what nobody will end any more, and keeps the counts of what was refused."""
        while True:
            await asyncio.sleep(RECONCILE_EVERY_S)
            now_ns = self._clock.wall_ns()
            reconciled = await self._reconciler.reconcile(now_ns, self._poller.state.last_queue_ns)
            for verdict in reconciled.closed:
                self._reporter.report(RECONCILED, reason=verdict.reason.value, sighting=verdict.sighting.sighting)
            self._concluded(reconciled.concluded)
            await self._unconfirmed.end(now_ns, self._poller.state.last_queue_ns)
            refusals = self._ingest.take_refusals()
            if refusals:
                await self._applier.count_refusals(refusals, now_ns)

    async def status(self, viewer: Viewer) -> dict[str, object]:
        """What `/status.json` says."""
        watch = watch_of_running_loop()
        history: dict[str, object] = msgspec.to_builtins(await self._queries.status(viewer))
        return {
            "version": __version__,
            "cluster": self._config.cluster,
            "now_ns": self._clock.wall_ns(),
            "scheduler": msgspec.to_builtins(self._poller.state),
            "watchers": self.live.watcher_count,
            "loop": None if watch is None else msgspec.to_builtins(watch.holds()),
            "stages": msgspec.to_builtins(dict(self._supervisor.states)),
            "consul": None if self._consul is None else self._consul.status(),
            "counters": self._reporter.counters.snapshot(),
            **history,
        }
