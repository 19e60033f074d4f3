"""A cluster in one process: true nodes' registries, a scripted scheduler, and the hub's own history, on one clock.

What is real: `node.registry` (one a daemon), and of the hub the applier, poller, refresher and reconciler on SQLite.
What is made up: slurmctld and slurmdbd, slurmd's hooks, cgroups, the network. Everything that may fail can be told to.
The truth is kept beside, so that a test can say what the hub should believe.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from slurmlens.clock import NS_PER_S, Moment
from slurmlens.errors import SourceError
from slurmlens.events import AnyEvent, JobEnd, JobIdentity, JobStart, Place
from slurmlens.hook_events import HookEvent, HookRole
from slurmlens.hub.scheduler.poller import Poller
from slurmlens.hub.scheduler.state import SchedulerState
from slurmlens.node import registry as reg
from slurmlens.node.registry import memory as remembered
from slurmlens.slurm.records import (
    Decoded,
    JobRecord,
    JobState,
    NodeRecord,
    PartitionRecord,
    RecordSource,
    SwitchRecord,
)
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.received import ReceivedSummary
from testkit.hub_history import History
from testkit.manual_clock import ManualClock

STEP_S = 15.0
POLL_EVERY_STEPS = 2
MIN_JOB_AGE_S = 300
NODE_DOWN_AFTER_S = 60
"""How long slurmctld waits for a node that does not answer."""

ACCOUNTING_LAG_S = 40
"""How far slurmdbd is behind slurmctld: a few seconds on a quiet cluster, more on a busy one."""


@dataclass
class Run:
    """One execution, in truth; before it starts it waits in the queue. `on` are the nodes where it still is.

    `waits_again_s` is when what is requeued will be through with its clean-up.
    """

    job_id: int
    submit_s: int
    start_s: int | None = None
    nodes: tuple[str, ...] = ()
    restart_count: int = 0
    state: JobState = JobState.PENDING
    end_s: int | None = None
    on: set[str] = field(default_factory=set)
    with_cgroup: bool = True
    waits_again_s: int | None = None

    def ended_before(self, before_ns: int) -> bool:
        """Whether it was over then."""
        return self.end_s is not None and self.end_s * NS_PER_S < before_ns

    def queued(self, now_s: int) -> JobRecord:
        """As slurmctld tells of it.

        Of a requeued run that is not through with its clean-up it tells the old submit time, the next restart count,
        and a start that moves with the clock (22.05, run).
        """
        told = self._record(RecordSource.QUEUE)
        if self.waits_again_s is None:
            return told
        again = {"state_flags": ("COMPLETING",), "start_s": now_s, "end_s": None}
        return msgspec.structs.replace(told, state=JobState.RUNNING, restart_count=self.restart_count + 1, **again)

    def accounted(self, now_s: int) -> JobRecord:
        """As slurmdbd tells of it: what happened some seconds ago, and no restart count."""
        told = msgspec.structs.replace(self._record(RecordSource.ACCOUNTING), restart_count=None)
        if self.end_s is not None and now_s - self.end_s < ACCOUNTING_LAG_S:
            told = msgspec.structs.replace(told, state=JobState.RUNNING, end_s=None)
        if self.start_s is None or now_s - self.start_s < ACCOUNTING_LAG_S:
            told = msgspec.structs.replace(told, state=JobState.PENDING, start_s=None, end_s=None, nodes=())
        return told

    def _record(self, source: RecordSource) -> JobRecord:
        return JobRecord(
            job_id=self.job_id,
            state=self.state,
            source=source,
            submit_s=self.submit_s,
            start_s=self.start_s,
            end_s=self.end_s,
            nodes=self.nodes,
            user="alice",
            user_id=3001,
            partition="all",
            restart_count=self.restart_count,
        )


class Controller:
    """slurmctld and slurmdbd as far as the hub asks them."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.runs: list[Run] = []
        self.is_up = True
        self.accounting_is_up = True
        self.purged: set[int] = set()
        self.up_since_ns = clock.wall_ns()

    def now_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S

    def _must_be_up(self, is_up: bool) -> None:
        if not is_up:
            raise SourceError("Unable to contact slurm controller")

    async def release(self) -> tuple[int, int]:
        return 22, 5

    async def cluster_name(self) -> str | None:
        return "cluster"

    async def queue(self) -> Decoded[JobRecord]:
        self._must_be_up(self.is_up)
        latest = {run.job_id: run for run in self.runs}
        listed = [run for run in latest.values() if run.end_s is None or self.now_s() - run.end_s < MIN_JOB_AGE_S]
        return Decoded(tuple(run.queued(self.now_s()) for run in listed), 0)

    async def executions(self, job_ids: Iterable[int]) -> Decoded[JobRecord]:
        wanted = set(job_ids) - self.purged
        return self._accounted(lambda run: run.job_id in wanted)

    async def executions_since(self, since_s: int) -> Decoded[JobRecord]:
        return self._accounted(lambda run: run.job_id not in self.purged)

    def _accounted(self, is_wanted: object) -> Decoded[JobRecord]:
        self._must_be_up(self.accounting_is_up)
        assert callable(is_wanted)
        told = [run for run in self.runs if is_wanted(run) and self.now_s() - run.submit_s >= ACCOUNTING_LAG_S]
        return Decoded(tuple(run.accounted(self.now_s()) for run in told), 0)

    async def nodes(self) -> Decoded[NodeRecord]:
        return Decoded((NodeRecord(name="n1", address="10.0.0.1"),), 0)

    async def partitions(self) -> Decoded[PartitionRecord]:
        return Decoded((), 0)

    async def topology(self) -> Decoded[SwitchRecord]:
        return Decoded((), 0)


class Node:
    """A machine with slurmd, hooks, cgroups, and our daemon, which has its queue in memory and files in the dropbox."""

    def __init__(self, name: str, clock: ManualClock) -> None:
        self.name = name
        self._clock = clock
        self._ids = itertools.count()
        self._boots = itertools.count(1)
        self.daemon: reg.Registry | None = None
        self.outbox: list[AnyEvent] = []
        self._memory: bytes | None = None
        self._dropbox: dict[str, HookEvent] = {}
        self.cgroups: dict[str, int] = {}
        self.is_reached = True
        self.boot()

    def boot(self) -> None:
        """The machine comes up: nothing of before is left in memory."""
        self.is_up = True
        self.boot_id = f"{self.name}-boot-{next(self._boots)}"
        self._booted_ns = self._clock.wall_ns() - 10 * NS_PER_S
        self._memory = None
        self._dropbox.clear()
        self.cgroups.clear()
        self.outbox.clear()
        self.daemon = None

    def go_down(self) -> None:
        self.is_up = False
        self.daemon = None

    def moment(self, ago_s: float = 0.0) -> Moment:
        wall_ns = self._clock.wall_ns() - round(ago_s * NS_PER_S)
        return Moment(wall_ns, wall_ns - self._booted_ns)

    def hook(self, role: HookRole, job_id: int) -> None:
        """Slurm runs Prolog or Epilog: a file in the dropbox."""
        at, event_id = self.moment(), f"{self.name}-hook-{next(self._ids)}"
        self._dropbox[event_id] = HookEvent(
            id=event_id,
            role=role,
            time_ns=at.wall_ns,
            boot_id=self.boot_id,
            boottime_ns=at.boottime_ns,
            cluster="demo",
            node=self.name,
            job=JobIdentity(job_id=job_id, user_name="alice"),
        )
        self.look()

    def cgroup(self, job_id: int, name: str) -> None:
        self.cgroups[name] = job_id
        if self.daemon is not None:
            self._tell(reg.CgroupAppeared(self.moment(), name, JobIdentity(job_id=job_id)))

    def remove_cgroups(self, job_id: int) -> None:
        for name in [name for name, owner in self.cgroups.items() if owner == job_id]:
            del self.cgroups[name]
            if self.daemon is not None:
                self._tell(reg.CgroupVanished(self.moment(), name))

    def start_daemon(self, *, remembers: bool, beats_first: bool) -> None:
        """Starts our daemon; its first heartbeat may be sent before or after it has read the dropbox."""
        if not self.is_up or self.daemon is not None:
            return
        memory = remembered.decode(self._memory) if remembers and self._memory else None
        place, settings = Place("demo", self.name, self.boot_id), reg.RegistrySettings()
        self.daemon = reg.Registry(place, settings, self.moment(), memory)
        if beats_first:
            self._tell(reg.TimePassed(self.moment()))
        self.look()
        for name, job_id in self.cgroups.items():
            self._tell(reg.CgroupAppeared(self.moment(), name, JobIdentity(job_id=job_id)))
        self._tell(reg.TreeWalked(self.moment()))

    def kill_daemon(self) -> None:
        """kill -9: what was not acknowledged is lost, but for the hooks' files."""
        self.daemon = None
        self.outbox.clear()

    def look(self) -> None:
        """The daemon reads the dropbox, and is told the time."""
        if self.daemon is None:
            return
        for event in sorted(self._dropbox.values(), key=lambda event: event.boottime_ns):
            self._tell(reg.HookSeen(self.moment(), event))
        self._tell(reg.TimePassed(self.moment()))

    def acknowledged(self, events: Iterable[AnyEvent]) -> None:
        """The hub has them: the files may go."""
        for event in events:
            self._dropbox.pop(event.id, None)
            if self.daemon is not None:
                self.daemon.settled(event.id)

    def knows(self, job_id: int) -> bool:
        """Whether the daemon has an open sighting of the job, and has told of it."""
        if self.daemon is None or self.outbox:
            return False
        return any(one.job.job_id == job_id and one.phase.value == "open" for one in self.daemon.sightings())

    def _tell(self, stimulus: reg.Stimulus) -> None:
        assert self.daemon is not None
        for instruction in self.daemon.handle(stimulus):
            if isinstance(instruction, reg.Emit):
                self.outbox.append(instruction.event)
            elif isinstance(instruction, reg.Summarise):
                self.outbox.append(instruction.draft)
        self._memory = remembered.encode(self.daemon.remembered(self.moment(), {}))


class Cluster:
    """Everything together; `step` lets time pass."""

    def __init__(self, history: History, node_names: Iterable[str]) -> None:
        self.history = history
        self.clock = history.clock
        self.controller = Controller(self.clock)
        self.nodes = {name: Node(name, self.clock) for name in node_names}
        self._job_ids = itertools.count(1)
        self._steps = itertools.count()
        self._failing: list[tuple[int, str, str]] = []
        self._last: dict[str, list[AnyEvent]] = {}
        self._cgroups = itertools.count()
        self.poller: Poller | None = None

    # --- the hub

    async def start_hub(self) -> None:
        self.hub_since_ns = self.clock.wall_ns()
        self.poller = Poller(
            self.controller,  # type: ignore[arg-type]
            self.history.records,
            self.history.news,
            SchedulerState(asked_since_ns=self.clock.wall_ns()),
            interval_s=STEP_S * POLL_EVERY_STEPS,
            clock=self.clock,
            reporter=Reporter(Counters(), self.clock),
        )
        self.history.listens_since(self.hub_since_ns)
        await self.poller._catch_up()

    def stop_hub(self) -> None:
        self.poller = None

    async def kill_hub(self) -> None:
        """The hub dies after it has stored what the nodes sent, and before it has answered."""
        for node in self.nodes.values():
            if self.poller is not None and node.is_up and node.is_reached:
                await self.history.apply(node.outbox)
        self.stop_hub()

    # --- what Slurm does

    def start(self, nodes: tuple[str, ...], *, prolog: bool = True, cgroup: bool = True) -> None:
        """A job is submitted and begins at once."""
        if self.controller.is_up:
            run = Run(job_id=next(self._job_ids), submit_s=self.controller.now_s() - 2, with_cgroup=cgroup)
            if self.launch(run, nodes, prolog=prolog):
                self.controller.runs.append(run)

    def launch(self, run: Run, nodes: tuple[str, ...], *, prolog: bool = True) -> bool:
        """What waits begins on those of the nodes that are up."""
        there = tuple(name for name in nodes if self.nodes[name].is_up)
        if not there or not self.controller.is_up:
            return False
        run.state, run.start_s, run.nodes, run.on = JobState.RUNNING, self.controller.now_s(), there, set(there)
        for name in there:
            if prolog:
                self.nodes[name].hook(HookRole.PROLOG, run.job_id)
            if run.with_cgroup:
                self.nodes[name].cgroup(run.job_id, f"{run.job_id}/{next(self._cgroups)}")
        return True

    def requeue(self, run: Run, state: JobState = JobState.REQUEUED, *, epilog: bool, cleanup_s: int = 0) -> None:
        """The run ends, and the job waits again once its processes are gone and all Epilogs have run.

        The job's submit time is then a new one, while slurmdbd keeps the run that ended as a record of its own.
        """
        if run.end_s is None:
            self.end(run, state, epilog=epilog)
            run.waits_again_s = self.controller.now_s() + cleanup_s
            self._queue_again()

    def _queue_again(self) -> None:
        now_s = self.controller.now_s()
        for run in list(self.controller.runs):
            if run.waits_again_s is not None and run.waits_again_s <= now_s:
                run.waits_again_s, submit_s = None, max(now_s, run.submit_s + 1)
                again = Run(run.job_id, submit_s, restart_count=run.restart_count + 1, with_cgroup=run.with_cgroup)
                self.controller.runs.append(again)

    def end(self, run: Run, state: JobState, *, epilog: bool) -> None:
        """The run ends everywhere; `epilog` False: every Epilog is lost."""
        if run.end_s is not None:
            return
        run.state, run.end_s = state, self.controller.now_s()
        for name in sorted(run.on):
            self.nodes[name].remove_cgroups(run.job_id)
            if epilog:
                self.nodes[name].hook(HookRole.EPILOG, run.job_id)
        run.on.clear()

    def lose(self, name: str) -> None:
        """A machine goes down with everything on it; the controller finds out after a while."""
        node = self.nodes[name]
        if not node.is_up:
            return
        node.go_down()
        due_s = self.controller.now_s() + NODE_DOWN_AFTER_S
        self._failing.append((due_s, name, node.boot_id))
        for run in self.controller.runs:
            run.on.discard(name)

    def running(self) -> list[Run]:
        """Runs that the controller holds for running, and that are whole."""
        return [run for run in self.controller.runs if run.state is JobState.RUNNING and run.on == set(run.nodes)]

    def waiting(self) -> list[Run]:
        """Runs that have not begun."""
        return [run for run in self.controller.runs if run.state is JobState.PENDING]

    # --- time

    async def step(self, *, twice: bool = False) -> None:
        """A quarter of a minute passes; `twice`: the network delivers everything a second time."""
        self.clock.advance(STEP_S)
        self._controller_finds_out()
        for node in self.nodes.values():
            node.look()
        number = next(self._steps)
        if self.poller is None:
            return
        for name, node in self.nodes.items():
            await self._deliver(name, node, twice=twice)
        if number % POLL_EVERY_STEPS == 0:
            await self.poller._ask_queue()
        await self.poller._ask_executions()
        await self.history.refresh()
        await self.history.reconciler.reconcile(self.clock.wall_ns(), self.poller.state.last_queue_ns)
        await self.history.refresh()
        await self.history.unconfirmed.end(self.clock.wall_ns(), self.poller.state.last_queue_ns)
        await self.history.refresh()

    async def _deliver(self, name: str, node: Node, *, twice: bool) -> None:
        if not node.is_up or not node.is_reached or self.poller is None:
            return
        if twice and self._last.get(name):
            await self.history.apply(self._last[name])
        if not node.outbox:
            return
        events, node.outbox = node.outbox, []
        applied = await self.history.apply(events)
        node.acknowledged(events)
        self._last[name] = events
        self.poller.news_of((one.job.job_id for one in applied.new if isinstance(one, JobStart)), ended=False)
        ended = (one.job.job_id for one in applied.new if isinstance(one, JobEnd | ReceivedSummary))
        self.poller.news_of(ended, ended=True)

    def _controller_finds_out(self) -> None:
        """Runs on a machine that went down end when the controller notices."""
        if not self.controller.is_up:
            return
        due = [one for one in self._failing if one[0] <= self.controller.now_s()]
        self._failing = [one for one in self._failing if one not in due]
        for _, name, _ in due:
            for run in self.controller.runs:
                if run.end_s is None and name in run.nodes and name not in run.on:
                    self._fail(run)
        self._queue_again()

    def _fail(self, run: Run) -> None:
        """Every second job may be requeued when its node fails."""
        if run.job_id % 2:
            self.end(run, JobState.NODE_FAIL, epilog=True)
        else:
            self.requeue(run, JobState.NODE_FAIL, epilog=True)
