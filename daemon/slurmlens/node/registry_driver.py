"""Between the registry and the rest: makes stimuli of what was seen, and carries out what the registry says.

Owns which cgroup a name of the registry's stands for, and which files of the dropbox wait for which event to arrive.
Invariants: instructions are carried out in the order of the stimuli; a hook's file is released only when its event is
safe (in the spool, or with every receiver) and what the registry made of it stands in the sighting file, and a repeated
one with it; a summary that cannot be measured is sent as "nothing measured". Part of `pipeline`, which hands it the
stages; runs in the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec

from slurmlens.cgroup.sighting import CgroupGone, CgroupSeen, Sighting, StepStirred, TreeSeen
from slurmlens.clock import NS_PER_S, Clock, Moment
from slurmlens.delivery.outlet import Outlet
from slurmlens.dropbox import Dropbox, Token
from slurmlens.events import AnyEvent, JobEnd, JobIdentity, JobStart, JobSummary, StepTotals, Totals
from slurmlens.hook_events import HookEvent, HookRole, StepEvent
from slurmlens.node import registry as reg
from slurmlens.node.rediscover import Rediscover
from slurmlens.node.registry.reported_steps import overlay
from slurmlens.node.sampler.engine import Engine
from slurmlens.node.sampler.orders import Finished, JobOrder, StepOrder
from slurmlens.node.sampler.points import Lines
from slurmlens.node.sampler.worker import SamplerThread
from slurmlens.node.sighting_file import SightingFile
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting

CLUSTER_DIFFERS = lasting(
    "cluster_differs",
    logging.WARNING,
    "the hooks say that this is cluster {hooks}, the settings say {cluster}, and by that name its jobs are sent: write "
    'cluster = "{hooks}" in node.toml',
)
JOB_BEGAN = InternalEvent("job_began", logging.INFO, "job {job_id} began, says the {witness}", ("witness",))
JOB_ENDED = InternalEvent("job_ended", logging.INFO, "job {job_id} ended, says the {witness}", ("witness",))
JOB_MEASURED = InternalEvent("job_measured", logging.INFO, "job {job_id}: {cpu} CPU seconds, {samples} samples")
JOB_UNMEASURED = InternalEvent(
    "job_unmeasured", logging.WARNING, "job {job_id}: its totals could not be made up ({error}); sent as not measured"
)
STEP_UNPLACED = InternalEvent(
    "step_unplaced",
    logging.WARNING,
    "job {job_id}: step {step} was reported after the job was summed up, and is left out",
)
INSTRUCTION_FAILED = InternalEvent(
    "instruction_failed", logging.ERROR, "{instruction} could not be carried out: {error}", ("instruction", "error")
)

COALESCE_S = 0.2
"""The registry's deadlines are seconds; nothing is late by this."""

STEPS_SETTLE_S = 1.0
"""Files of steps go together: the sighting file, in which their figures are kept, is written once for all of them."""

READ_OFTEN_S = 24 * 3600.0
"""How long a user's request for more samples holds; a job that runs on asks again with its next step."""

MEASURE_EVERY_NS = 10 * NS_PER_S
"""Between two times that what ended steps used is kept for the next daemon; a kill of this one costs no more."""

PROFILES_AT_ONCE = 4
"""Five minutes of a young job are 130 KiB of points; those of all jobs of a node together would be its whole memory."""


class RegistryDriver:
    """Feeds one registry and obeys it."""

    def __init__(
        self,
        registry: reg.Registry,
        sampler: SamplerThread,
        outlet: Outlet,
        dropbox: Dropbox,
        rediscover: Rediscover,
        file: SightingFile,
        clock: Clock,
        reporter: Reporter,
    ) -> None:
        self.registry = registry
        self._sampler = sampler
        self._outlet = outlet
        self._dropbox = dropbox
        self._rediscover = rediscover
        self._file = file
        self._clock = clock
        self._reporter = reporter
        self._turn = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._places: dict[str, CgroupSeen] = {}
        self._found: set[tuple[str, str | None]] = set()
        self._files: dict[str, list[Token]] = {}
        self._leaving: list[Token] = []
        self._letting_go: asyncio.Handle | None = None
        self._is_letting_go_now = False
        self._totals: dict[int, Totals] = {}
        self._measured_at_end: set[int] = set()
        self._lost_a_step: set[int] = set()
        self._kept_ns = 0
        self._summaries: set[asyncio.Task[None]] = set()

    # --- stages

    async def follow_dropbox(self) -> None:
        """Hook events, for ever."""
        async for event, token in self._dropbox:
            if isinstance(event, StepEvent):
                await self.step(event, token)
            else:
                await self.hook(event, token)

    async def follow_cgroups(self, found: Iterable[tuple[str, str | None]]) -> None:
        """Jobs and steps of the cgroup tree, for ever; those in `found` (job's key, step) were there before us."""
        self._found = set(found)
        for one in self.registry.sightings():
            if one.job.sluid is not None:
                self._rediscover.learn(one.job.sluid, one.job.job_id)
        sightings = self._rediscover.sightings()
        try:
            async for seen in sightings:
                await self.cgroup(seen)
        finally:
            await sightings.aclose()  # type: ignore[attr-defined]  # it is an async generator

    async def follow_time(self) -> None:
        """A tick for the registry whenever it waits for one; a burst of stimuli is looked at once."""
        while True:
            self._stirred.clear()
            wait_ns = self.registry.deadline_ns() - self._clock.boottime_ns()
            try:
                async with asyncio.timeout(max(0.0, wait_ns / NS_PER_S)):
                    await self._stirred.wait()
                await asyncio.sleep(COALESCE_S)
            except TimeoutError:
                await self._handle(reg.TimePassed(self._now()))
            await self._measure_those_who_lost_a_step()
            await self.remember()

    async def send_profiles(self) -> None:
        """What is new in every running job's profile."""
        numbers = await self._sampler.ask(lambda engine, _: engine.numbers)
        for begin in range(0, len(numbers), PROFILES_AT_ONCE):
            await self._send_some(numbers[begin : begin + PROFILES_AT_ONCE])

    async def _send_some(self, numbers: Iterable[int]) -> None:
        deltas = await self._sampler.ask(lambda engine, _: engine.deltas(numbers))
        at = self._now()
        for number, delta in deltas:
            event = self.registry.profile_event(number, delta, at)
            if event is not None:
                await self._outlet.event(event)

    async def remember(self, *, measured: bool = False) -> None:
        """Keep what runs for the next daemon; `measured` with what each used so far, for the end of this one."""
        if measured:
            self._totals = await self._sampler.ask(lambda engine, now: engine.totals(now))
        self._file.save(self.registry.remembered(self._now(), self._totals))

    async def finish_summaries(self) -> None:
        """Wait for those that are being made."""
        await asyncio.gather(*self._summaries, return_exceptions=True)

    # --- what was seen

    async def hook(self, event: HookEvent, token: Token) -> None:
        """A file of the dropbox was read."""
        self._files.setdefault(event.id, []).append(token)
        if event.cluster and event.cluster.lower() != self.registry.cluster.lower():
            self._reporter.report(CLUSTER_DIFFERS, hooks=event.cluster, cluster=self.registry.cluster)
        if event.job.sluid is not None:
            self._rediscover.learn(event.job.sluid, event.job.job_id)
        await self._handle(reg.HookSeen(self._now(), event))
        unknown = frozenset(self.registry.waited_for()) - self._measured_at_end
        if unknown and event.role is HookRole.EPILOG:
            self._measured_at_end |= unknown
            self._start("Measure", self._measure(unknown))

    async def step(self, event: StepEvent, token: Token) -> None:
        """A file of the SPANK plugin's was read. It goes once the sighting file knows what it said."""
        if event.job.sluid is not None:
            self._rediscover.learn(event.job.sluid, event.job.job_id)
        await self._handle(reg.StepTold(self._now(), event))
        self._leaving.append(token)
        self._let_go_with_others()

    async def step_by_hook(self, event: StepEvent) -> None:
        """A hook of tasks or of srun spoke at the socket for jobs."""
        await self._handle(reg.StepTold(self._now(), event))

    def steps_here(self) -> list[CgroupSeen]:
        """The steps whose cgroups are there now."""
        return [seen for seen in self._places.values() if seen.step is not None]

    async def cgroup(self, seen: Sighting) -> None:
        """A folder appeared in, or went from, the cgroup tree; something happened in a step's; all was looked at."""
        if isinstance(seen, StepStirred):
            stirred = f"{seen.key}#{seen.life}/{seen.step}"
            self._sampler.order(lambda engine, now: engine.look_at_end(stirred, now))
            return
        at = Moment(seen.when.wall_ns, seen.when.boottime_ns)
        if isinstance(seen, TreeSeen):
            await self._handle(reg.TreeWalked(at))
            return
        job = f"{seen.key}#{seen.life}"
        name = job if seen.step is None else f"{job}/{seen.step}"
        if isinstance(seen, CgroupGone):
            stimulus: reg.Stimulus = (
                reg.CgroupVanished(at, name) if seen.step is None else reg.StepVanished(at, job, name)
            )
        elif seen.step is None:
            self._places[name] = seen
            identity = JobIdentity(job_id=seen.job_id, sluid=seen.sluid, user_id=seen.uid)
            stimulus = reg.CgroupAppeared(at, name, identity)
        else:
            self._places[name] = seen
            stimulus = reg.StepAppeared(at, job, name, seen.step)
        await self._handle(stimulus)
        if isinstance(seen, CgroupGone):
            self._places.pop(name, None)
            self._found.discard((seen.key, seen.step))

    async def retime(self, slot_rest_s: float, heartbeat_interval_s: float) -> None:
        """The settings changed while the daemon runs."""
        await self._handle(reg.Retimed(self._now(), slot_rest_s, heartbeat_interval_s))

    async def points(self, lines: Lines) -> None:
        """The sampler made points."""
        await self._outlet.points(lines.payload, lines.count)

    # --- instructions

    async def _handle(self, stimulus: reg.Stimulus) -> None:
        async with self._turn:
            for instruction in self.registry.handle(stimulus):
                # One that fails must not cost the others, which may be about another job.
                await self._guarded(type(instruction).__name__, self._carry_out(instruction))
        self._stirred.set()

    async def _guarded(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self._reporter.report(INSTRUCTION_FAILED, cause=error, instruction=what, error=type(error).__name__)

    async def _carry_out(self, instruction: reg.Instruction) -> None:
        match instruction:
            case reg.Emit():
                await self._emit(instruction.event)
            case reg.KnownHook():
                self._known_hook(instruction.event_id)
            case reg.Watch():
                self._watch(instruction)
            case reg.WatchStep():
                self._watch_step(instruction)
            case reg.Unwatch() | reg.UnwatchStep():
                if isinstance(instruction, reg.UnwatchStep):
                    self._lost_a_step.add(instruction.number)
                name = instruction.cgroup
                self._sampler.order(lambda engine, now: engine.unwatch(name, now))
            case reg.ReadOften():
                self._read_often(instruction)
            case reg.StepUnplaced():
                event = instruction.event
                self._reporter.report(STEP_UNPLACED, job_id=event.job.job_id, step=event.told.step)
            case reg.Summarise():
                work = self._summarise(instruction.number, instruction.draft, instruction.reported_steps)
                self._start("Summarise", work)

    async def _emit(self, event: AnyEvent) -> None:
        if isinstance(event, JobStart):
            self._reporter.report(JOB_BEGAN, job_id=event.job.job_id, witness=event.witness.value)
        elif isinstance(event, JobEnd):
            self._reporter.report(JOB_ENDED, job_id=event.job.job_id, witness=event.witness.value)
        await self._outlet.event(event, self._releasing(event.id))

    def _releasing(self, event_id: str) -> Callable[[], None] | None:
        """What to do when the event is safe: let its hook's files go."""
        return (lambda: self._release(event_id)) if event_id in self._files else None

    def _release(self, event_id: str) -> None:
        """Soon: those of one commit together, so that the sighting file is written once for all of them."""
        tokens = self._files.pop(event_id, [])
        if tokens:
            self._let_go_soon()
        self._leaving += tokens

    def _summary_is_safe(self, summary_id: str) -> None:
        self.registry.settled(summary_id)
        self._let_go_soon()

    def _let_go_soon(self) -> None:
        if self._is_letting_go_now:
            return
        if self._letting_go is not None:
            self._letting_go.cancel()
        self._is_letting_go_now = True
        self._letting_go = asyncio.get_running_loop().call_soon(self._let_go)

    def _let_go_with_others(self) -> None:
        if self._letting_go is None:
            self._letting_go = asyncio.get_running_loop().call_later(STEPS_SETTLE_S, self._let_go)

    def _let_go(self) -> None:
        self._letting_go, self._is_letting_go_now = None, False
        self._file.save(self.registry.remembered(self._now(), self._totals))
        leaving, self._leaving = self._leaving, []
        for token in leaving:
            self._dropbox.release(token)

    def _known_hook(self, event_id: str) -> None:
        """A second file of one event goes with the first; at once where that has gone already."""
        if len(self._files.get(event_id, [])) == 1:
            self._release(event_id)

    def _watch(self, instruction: reg.Watch) -> None:
        seen = self._places.get(instruction.cgroup)
        if seen is None:
            return
        order = JobOrder(
            number=instruction.number,
            job_id=instruction.job_id,
            slot=instruction.slot,
            name=instruction.cgroup,
            place=seen.place,
            parent=seen.parent,
            newborn=instruction.from_zero and (seen.key, None) not in self._found,
            from_zero=instruction.from_zero,
            earlier_steps=instruction.earlier_steps,
        )
        self._sampler.order(lambda engine, now: engine.watch(order, now))

    def _watch_step(self, instruction: reg.WatchStep) -> None:
        seen = self._places.get(instruction.cgroup)
        if seen is None:
            return
        order = StepOrder(
            number=instruction.number,
            name=instruction.cgroup,
            step=instruction.step,
            place=seen.place,
            newborn=(seen.key, seen.step) not in self._found,
        )
        self._sampler.order(lambda engine, now: engine.watch_step(order, now))

    def _read_often(self, asked: reg.ReadOften) -> None:
        self._sampler.order(lambda engine, now: _look_closely(engine, asked.job_id, asked.interval_s, now))

    async def _summarise(self, number: int, draft: JobSummary, reported_steps: tuple[StepTotals, ...]) -> None:
        """Fill the draft in with what the sampler measured, the plugin's word on the steps above it."""
        finished: Finished | None = None
        try:
            finished = await self._sampler.ask(lambda engine, now: _finish(engine, number, now))
        except Exception as error:
            self._reporter.report(JOB_UNMEASURED, job_id=draft.job.job_id, error=type(error).__name__)
        if finished is not None:
            totals = overlay(finished.totals, reported_steps)
            draft = msgspec.structs.replace(draft, totals=totals, profile=finished.profile)
            self.registry.summed_up(draft)
            await self.points(finished.lines)
        self._totals.pop(number, None)
        self._measured_at_end.discard(number)
        self._lost_a_step.discard(number)
        cpu = draft.totals.cpu_s
        self._reporter.report(
            JOB_MEASURED,
            job_id=draft.job.job_id,
            cpu="unknown" if cpu is None else f"{cpu.value:.3f}",
            samples=draft.totals.samples,
        )
        await self._outlet.event(draft, lambda: self._summary_is_safe(draft.id))

    async def _measure_those_who_lost_a_step(self) -> None:
        """What a step used in all is known when it ends, and to nobody after this daemon unless it is kept."""
        now_ns = self._clock.boottime_ns()
        if self._lost_a_step and now_ns - self._kept_ns >= MEASURE_EVERY_NS:
            numbers, self._lost_a_step, self._kept_ns = frozenset(self._lost_a_step), set(), now_ns
            await self._measure(numbers)

    async def _measure(self, numbers: frozenset[int]) -> None:
        """What these used so far, in case that this daemon does not live to sum them up."""
        self._totals |= await self._sampler.ask(lambda engine, now: engine.totals(now, numbers))

    def _start(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(what, work))
        self._summaries.add(task)
        task.add_done_callback(self._summaries.discard)

    def _now(self) -> Moment:
        return Moment(self._clock.wall_ns(), self._clock.boottime_ns())


def _look_closely(engine: Engine, job_id: int, interval_s: float, now: Moment) -> None:
    engine.look_closely(job_id, interval_s, READ_OFTEN_S, now)


def _finish(engine: Engine, number: int, now: Moment) -> Finished | None:
    return engine.finish(number, now)
