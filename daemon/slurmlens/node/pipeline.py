"""Wires the node's stages; the only file that knows them all.

    dropbox ───┐
               ├─► registry ─► sampler ─► delivery (outlet ─► spool ─► sinks)
    rediscover ┘  (registry_driver)

Owns the order of starting and stopping. Invariants: a job that runs while the daemon stops gets no end, only what is
new in its profile; stopping takes a bounded time; every stage fails alone (`runtime.supervisor`). Made and run by
`node.main`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from slurmlens import __version__
from slurmlens.cgroup.mounts import CgroupLocator
from slurmlens.cgroup.reader import CgroupReader
from slurmlens.cgroup.tree import CgroupTree
from slurmlens.clock import NS_PER_S, Clock, Moment
from slurmlens.config.node import NodeConfig
from slurmlens.delivery.pipeline import DeliveryPipeline, DeliverySettings
from slurmlens.delivery.receivers import Receiver, SinkDependencies, hub_client, receivers
from slurmlens.delivery.status_socket import LookClosely, StatusServer
from slurmlens.dropbox import Dropbox
from slurmlens.dropbox.intake import ROOT_ALONE, Owners
from slurmlens.events import Place
from slurmlens.node import registry as reg
from slurmlens.node.kill_switch import KillSwitch
from slurmlens.node.rediscover import Rediscover
from slurmlens.node.registry.sighting import SightingPhase
from slurmlens.node.registry_driver import RegistryDriver
from slurmlens.node.retreat import Retreat
from slurmlens.node.sampler.engine import Engine
from slurmlens.node.sampler.orders import EngineSettings
from slurmlens.node.sampler.points import Lines
from slurmlens.node.sampler.rest import SHORT_REST
from slurmlens.node.sampler.worker import SamplerThread, failure_reporter
from slurmlens.node.sighting_file import SightingFile
from slurmlens.node.status import NodeStatus
from slurmlens.node.status_made import job_status, sampler_status
from slurmlens.runtime import process
from slurmlens.runtime.supervisor import Stage, StageState, Supervisor
from slurmlens.telemetry import log
from slurmlens.telemetry.internal import Reporter

if TYPE_CHECKING:
    from slurmlens.delivery.consul import Consul
    from slurmlens.discovery.health import Health
    from slurmlens.node.collectors.stage import CollectorStage
    from slurmlens.node.gpus.stage import GpuStage
    from slurmlens.node.log_inputs.attribution import LocalJob
    from slurmlens.node.log_inputs.stages import LogInputs
    from slurmlens.node.program_walk import ProgramWalk
    from slurmlens.node.software.stage import SoftwareStage

LEAST_PROFILE_INTERVAL_S = 1.0
CLOSE_INTERVAL_S = 1.0

VITAL_STAGES = frozenset({"cgroups", "dropbox", "outlet", "time"})
"""Without one of these nothing is learnt of jobs, or nothing gets out."""


class Machine(msgspec.Struct, frozen=True):
    """What of the machine the pipeline stands on; tests make one up. `hook_owners`: whose files say what."""

    root: Path
    boot_id: str
    clock: Clock
    hook_owners: Owners = msgspec.field(default_factory=lambda: ROOT_ALONE)


class NodePipeline:
    """The node daemon without its process. Make it inside a running loop, `open` it, `run` it, cancel `run` to stop."""

    def __init__(self, config: NodeConfig, machine: Machine, reporter: Reporter) -> None:
        self._machine = machine
        self._reporter = reporter
        clock = machine.clock
        self._consul = self._make_consul(config)
        if self._consul is not None:
            config = self._consul.settings
            log.set_level(config.log.level)
        self._config = config
        self._started = Moment(clock.wall_ns(), clock.boottime_ns())
        self._profile_interval_s = config.profile.send_interval_s
        self._profile_stirred = asyncio.Event()
        place = Place(config.cluster, config.node, machine.boot_id)
        self._delivery = DeliveryPipeline(_delivery_settings(config), self._receivers(), place, clock, reporter)
        self._outlet = self._delivery.outlet
        self._dropbox = Dropbox(config.dropbox_path, reporter, clock, node=config.node, owners=machine.hook_owners)
        self._rediscover = Rediscover(machine.root, config.node, clock)
        self._sampler = SamplerThread(self._engine, clock, reporter, self._points_made)
        file = SightingFile(config.runtime_path / "sightings.json", reporter)
        registry = reg.Registry(place, _registry_settings(config), self._started, file.load())
        self._registry_driver = RegistryDriver(
            registry, self._sampler, self._outlet, self._dropbox, self._rediscover, file, clock, reporter
        )
        self._log_inputs = self._make_log_inputs()
        self._sources = Supervisor(reporter, clock)
        self._collector_stage: CollectorStage | None = None
        self._gpu_stage: GpuStage | None = None
        self._software_stage: SoftwareStage | None = None
        self._program_walk: ProgramWalk | None = None
        self._silenced_by: set[str] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._name_stages()

    async def open(self) -> None:
        """Take up what an earlier daemon left. ConfigError where another daemon uses the same spool."""
        await self._delivery.open()

    async def run(self) -> None:
        """Work until cancelled, then stop in order."""
        self._sampler.start()
        self._delivery.start()
        try:
            await self._sources.run()
        finally:
            # A second cancel must not cut this short: it is bounded by itself.
            await asyncio.shield(self._stop())

    async def status(self) -> NodeStatus:
        """How everything fares, now."""
        clock = self._machine.clock
        tree = self._rediscover.state
        return NodeStatus(
            version=__version__,
            cluster=self._config.cluster,
            node=self._config.node,
            boot_id=self._machine.boot_id,
            time_ns=clock.wall_ns(),
            uptime_s=(clock.boottime_ns() - self._started.boottime_ns) / NS_PER_S,
            cpu_s=process.cpu_s(),
            resident_bytes=process.resident_bytes(),
            slots=self._config.slots,
            profile_interval_s=self._profile_interval_s,
            dropbox_open=self._dropbox.is_open,
            dropbox_waiting=self._dropbox.out_count,
            dropbox_full=self._dropbox.is_full,
            cgroup_tree_found=tree.found,
            cgroup_tree_watched=tree.watching,
            unnamed_cgroups=tree.unnamed,
            jobs=tuple(job_status(one) for one in self._registry_driver.registry.sightings()),
            sampler=await self._sampler.ask(lambda engine, _: sampler_status(engine)),
            sinks=self._delivery.sink_statuses(),
            stages={name: state.text for name, state in self._stages().items()},
            counters=self._reporter.counters.snapshot(),
            spool=self._delivery.spool_status(),
            consul=None if self._consul is None else self._consul.status(),
            collectors=() if self._collector_stage is None else self._collector_stage.status(),
        )

    # --- building

    def _make_consul(self, config: NodeConfig) -> Consul[NodeConfig] | None:
        if config.consul is None:
            return None
        from slurmlens.delivery.consul import consul_of_node  # late: costs memory

        return consul_of_node(config, self._health, self._settings_changed, self._reporter, self._machine.clock)

    def _receivers(self) -> list[Receiver]:
        dependencies = self._sink_dependencies()
        if self._config.logs.is_on:
            dependencies = msgspec.structs.replace(dependencies, with_log_lines=True)
        return receivers(self._config.sinks, dependencies)

    def _sink_dependencies(self) -> SinkDependencies:
        config = self._config
        dependencies = SinkDependencies(
            config.node, config.batch, self._reporter, self._machine.clock, self._want_profiles
        )
        return (
            dependencies if self._consul is None else msgspec.structs.replace(dependencies, find=self._consul.endpoint)
        )

    def _hub_silence(self, switch: KillSwitch) -> Mapping[str, Stage]:
        """Whether the hub wants silence; the flag is looked at as soon as it changes."""
        config = self._config
        if config.sinks.hub is None:
            return {}
        from slurmlens.node.hub_silence import HubSilence

        client = hub_client(config.sinks.hub, self._sink_dependencies())
        stage = HubSilence(client, config.node, config.silence_flag_path, switch.look, self._reporter)
        return {"hub silence": stage.run}

    def _name_stages(self) -> None:
        self._sources.add("dropbox", self._registry_driver.follow_dropbox)
        self._sources.add("cgroups", self._follow_cgroups)
        self._sources.add("time", self._registry_driver.follow_time)
        self._sources.add("profiles", self._send_profiles)
        server = StatusServer(self._config.status_socket_path, self.status, self._look_closely, self._reporter)
        self._sources.add("status", server.run)
        flags = (self._config.off_flag_path, self._config.silence_flag_path)
        switch = KillSwitch(flags, partial(self._silence, "flag"), self._reporter)
        self._sources.add("kill switch", switch.run)
        share, clock = self._config.sampling.retreat_share, self._machine.clock
        retreat = Retreat(share, process.cpu_s, partial(self._silence, "retreat"), clock, self._reporter)
        self._sources.add("retreat", retreat.run)
        optional = {
            **self._hub_silence(switch),
            **self._app_socket(),
            **self._own_figures(),
            **self._series_2015(),
            **self._collectors(),
            **self._software(),
            **self._programs(),
        }
        if self._log_inputs is not None:
            optional |= self._log_inputs.stages
        for name, stage in optional.items():
            self._sources.add(name, stage)
        if self._consul is not None:
            for name, stage in self._consul.registration:
                self._sources.add(name, stage)
            for name, stage in self._consul.watches:
                self._delivery.add(name, stage)

    def _make_log_inputs(self) -> LogInputs | None:
        config = self._config
        if not config.logs.is_on:
            return None
        from slurmlens.node.log_inputs.attribution import JobsHere  # late: as above
        from slurmlens.node.log_inputs.stages import LogInputs, LogInputsDependencies

        given = LogInputsDependencies(
            node=config.node,
            boot_id=self._machine.boot_id,
            jobs=JobsHere(self._rediscover.member, self._local_job, self._local_job_of, self._machine.root / "proc"),
            append=self._delivery.spool.append,
            give_up=self._delivery.spool.give_up,
            folder=config.spool.path,
            runtime_path=config.runtime_path,
            clock=self._machine.clock,
            reporter=self._reporter,
        )
        return LogInputs(config.logs, given)

    def _app_socket(self) -> Mapping[str, Stage]:
        config = self._config
        if not config.app_socket.enabled:
            return {}
        from slurmlens.node.appsocket import AppSocket, AppSocketDependencies, SpeakingJob  # late: as above

        def running(job_id: int) -> SpeakingJob | None:
            sighting = self._registry_driver.registry.running(job_id)
            return None if sighting is None else SpeakingJob(sighting.key, sighting.slot)

        dependencies = AppSocketDependencies(
            place=Place(config.cluster, config.node, self._machine.boot_id),
            proc=self._machine.root / "proc",
            speaker=self._rediscover.member,
            running=running,
            send=self._outlet.event,
            send_points=self._outlet.points,
            tell_step=lambda event: self._in_background(self._registry_driver.step_by_hook(event)),
            clock=self._machine.clock,
            reporter=self._reporter,
        )
        return {"app socket": AppSocket(config.app_socket_path, config.app_socket, dependencies).run}

    def _own_figures(self) -> Mapping[str, Stage]:
        telemetry = self._config.telemetry
        if not telemetry.is_on:
            return {}
        from slurmlens.node.own_figures import OwnFigures  # late: as above

        return OwnFigures(telemetry, self.status, self._outlet.points, self._reporter, self._machine.clock).stages

    def _series_2015(self) -> Mapping[str, Stage]:
        config = self._config.series_2015
        if config is None:
            return {}
        from slurmlens.node.series_2015 import Series2015  # late: as above

        series = Series2015(config, self._config.node, self._outlet.points, self._reporter, self._machine.clock)
        return {"series of 2015": series.run}

    def _collectors(self) -> Mapping[str, Stage]:
        config = self._config.collectors
        if not config.enabled:
            return {}
        from slurmlens.node.collectors.files import KeptFiles  # late: as above
        from slurmlens.node.collectors.stage import CollectorStage
        from slurmlens.node.probe.process import ProbeProcess
        from slurmlens.node.remote_spaces import RemoteSpaces

        place = Place(self._config.cluster, self._config.node, self._machine.boot_id)
        files = KeptFiles(str(self._machine.root))
        probe = ProbeProcess(self._machine.clock)
        gpus = self._make_gpu_stage(place)
        self._collector_stage = CollectorStage(
            config,
            place,
            files,
            self._outlet.points,
            self._outlet.event,
            self._reporter,
            self._machine.clock,
            ask_remote=RemoteSpaces(self._machine.root, probe, config.probe_timeout_s).ask,
            gpus=None if gpus is None else gpus.told,
        )
        self._gpu_stage = gpus
        return {"collectors": self._collector_stage.run, **({} if gpus is None else {"gpus": gpus.run})}

    def _software(self) -> Mapping[str, Stage]:
        config = self._config
        if not config.software.enabled:
            return {}
        from slurmlens.node.probe.process import ProbeProcess  # late: as above
        from slurmlens.node.software.stage import SoftwareStage

        place = Place(config.cluster, config.node, self._machine.boot_id)
        clock, tell = self._machine.clock, self._outlet.event
        probe = ProbeProcess(clock)
        self._software_stage = SoftwareStage(
            config.software, place, self._machine.root, probe, tell, self._reporter, clock
        )
        return {"software": self._software_stage.run}

    def _programs(self) -> Mapping[str, Stage]:
        config = self._config
        if not config.programs.enabled:
            return {}
        from slurmlens.node.program_walk import ProgramWalk  # late: as above

        place, driver = Place(config.cluster, config.node, self._machine.boot_id), self._registry_driver
        self._program_walk = ProgramWalk(
            *(config.programs, place, self._machine.root / "proc", driver.steps_here, driver.step_by_hook),
            self._machine.clock,
        )
        return {"programs": self._program_walk.run}

    def _make_gpu_stage(self, place: Place) -> GpuStage | None:
        if not self._config.gpus.enabled:
            return None
        from slurmlens.node.gpus.stage import GpuJob, GpuStage  # late: as above
        from slurmlens.node.probe.process import ProbeProcess

        def jobs() -> list[GpuJob]:
            running = (one for one in self._registry_driver.registry.sightings() if one.phase is SightingPhase.OPEN)
            return [GpuJob(one.key, one.job.job_id, one.job.gpus) for one in running]

        clock = self._machine.clock
        return GpuStage(
            self._config.gpus,
            place,
            self._machine.root,
            ProbeProcess(clock),
            jobs,
            self._rediscover.member,
            self._outlet.points,
            self._reporter,
            clock,
        )

    def _engine(self, now: Moment) -> Engine:
        config = self._config
        settings = EngineSettings(
            cluster=config.cluster,
            node=config.node,
            proc_root=self._machine.root / "proc",
            interval_s=config.sampling.interval_s,
            slow_every=config.sampling.slow_every,
            budget_share=config.sampling.budget_share,
            slots=config.slots,
            max_points=config.profile.max_points,
            memory_limit_bytes=config.profile.memory_limit_bytes,
        )
        return Engine(settings, CgroupReader(), now, failure_reporter(self._reporter), SHORT_REST)

    # --- running

    async def _follow_cgroups(self) -> None:
        """Whatever is in the tree at the first look began before us: its rates begin with the second reading."""
        await self._registry_driver.follow_cgroups(_present(self._machine.root, self._config.node))

    async def _send_profiles(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._profile_interval_s):
                    await self._profile_stirred.wait()
                self._profile_stirred.clear()
            except TimeoutError:
                await self._registry_driver.send_profiles()
                process.give_back_heap()

    async def _look_closely(self, order: LookClosely) -> bool:
        """Somebody on this machine asked for a job to be read every second."""
        return await self._sampler.ask(
            lambda engine, now: engine.look_closely(order.job_id, CLOSE_INTERVAL_S, order.seconds, now)
        )

    def _local_job(self, job_id: int) -> LocalJob | None:
        from slurmlens.node.log_inputs.attribution import LocalJob  # late: as above

        sighting = self._registry_driver.registry.running(job_id)
        return None if sighting is None else LocalJob(job_id, sighting.job.user_id)

    def _local_job_of(self, sluid: str) -> LocalJob | None:
        running = self._registry_driver.registry.sightings()
        return next((self._local_job(one.job.job_id) for one in running if one.job.sluid == sluid), None)

    def _silence(self, by: str, wanted: bool) -> None:
        """Silent while anything wants it."""
        (self._silenced_by.add if wanted else self._silenced_by.discard)(by)
        is_silent = bool(self._silenced_by)
        self._sampler.order(lambda engine, now: engine.silence(is_silent, now))
        for stage in (self._collector_stage, self._gpu_stage, self._software_stage, self._program_walk):
            if stage is not None:
                stage.is_silent = is_silent

    def _want_profiles(self, interval_s: float) -> None:
        """The hub says how often it wants news now; only a shorter wait than the running one is worth a stir."""
        wanted_s = min(max(interval_s, LEAST_PROFILE_INTERVAL_S), self._config.profile.send_interval_s)
        if wanted_s < self._profile_interval_s:
            self._profile_stirred.set()
        self._profile_interval_s = wanted_s

    def _settings_changed(self, config: NodeConfig) -> None:
        """Consul's KV says otherwise than the file or than before; only `NODE_RUNTIME_KEYS` differ."""
        self._config = config
        log.set_level(config.log.level)
        self._profile_interval_s = config.profile.send_interval_s
        self._profile_stirred.set()
        sampling = config.sampling
        self._sampler.order(lambda engine, now: engine.retime(sampling.interval_s, sampling.budget_share, now))
        self._in_background(self._registry_driver.retime(sampling.interval_s, config.heartbeat_interval_s))

    def _health(self) -> Health:
        """What Consul receives of this daemon."""
        from slurmlens.discovery.health import judge  # late: as above

        away = [f"{name} takes nothing" for name in self._delivery.away]
        blind = [] if self._dropbox.is_open else ["the dropbox folder is not there"]
        return judge(self._stages(), away + blind, vital=VITAL_STAGES)

    def _points_made(self, lines: Lines) -> None:
        self._in_background(self._registry_driver.points(lines))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _stop(self) -> None:
        try:
            await self._delivery.stop(self._last_words)
        finally:
            if self._log_inputs is not None:
                self._log_inputs.close()
            await self._sampler.stop()

    async def _last_words(self) -> None:
        await self._registry_driver.finish_summaries()
        await self._registry_driver.send_profiles()
        await self._registry_driver.remember(measured=True)
        if self._log_inputs is not None:
            await self._log_inputs.flush()

    # --- status

    def _stages(self) -> dict[str, StageState]:
        return {**self._sources.states, **self._delivery.states}


def _delivery_settings(config: NodeConfig) -> DeliverySettings:
    with_fields_2015 = config.events.fields_2015
    return DeliverySettings(config.spool, config.replay, config.batch, config.runtime_path, with_fields_2015)


def _registry_settings(config: NodeConfig) -> reg.RegistrySettings:
    return reg.RegistrySettings(
        slots=config.slots,
        slot_rest_s=config.sampling.interval_s,
        heartbeat_interval_s=config.heartbeat_interval_s,
        version=__version__,
    )


def _present(root: Path, node: str) -> frozenset[tuple[str, str | None]]:
    """The cgroups of jobs (step None) and of steps that are there now."""
    cgroups = CgroupLocator(root, node).find()
    if cgroups is None:
        return frozenset()
    return frozenset(CgroupTree(cgroups, root / "proc").present())
