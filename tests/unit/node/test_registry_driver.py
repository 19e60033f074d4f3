"""Between registry and stages: one instruction that fails costs itself alone, and files go when their event has
arrived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from slurmlens.cgroup.sighting import Sighting, TreeSeen
from slurmlens.clock import Moment
from slurmlens.dropbox import Token
from slurmlens.events import AnyEvent, JobIdentity, JobSummary, Place, StepTotals
from slurmlens.hook_events import HookEvent, HookRole, StepEvent, StepRole
from slurmlens.node import registry as reg
from slurmlens.node import registry_driver
from slurmlens.node.registry.memory import Memory
from slurmlens.node.registry_driver import RegistryDriver
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock
from testkit.waiting import until

BOOT = "11111111-2222-3333-4444-555555555555"


class Stages:
    """Stand-ins of what the registry driver drives: they keep what they were told."""

    def __init__(self) -> None:
        self.told: list[AnyEvent] = []
        self.arrived: dict[str, Callable[[], None]] = {}
        self.released: list[Token] = []
        self.happened: list[str] = []
        self.learned: dict[str, int] = {}
        self.refused: set[int] = set()
        self.in_tree: list[Sighting] = []

    async def event(self, event: AnyEvent, on_acknowledged: Callable[[], None] | None = None) -> None:
        if getattr(event, "job", JobIdentity(job_id=0)).job_id in self.refused:
            raise ZeroDivisionError("odd")
        self.told.append(event)
        if on_acknowledged is not None:
            self.arrived[event.id] = on_acknowledged

    def release(self, token: Token) -> None:
        self.released.append(token)
        self.happened.append(f"released {token.path}")

    def save(self, known: Memory) -> None:
        owed = [one.summary.job.job_id for one in known.ended]
        steps = [step.step for one in known.sightings for step in one.reported_steps]
        saved = f"saved {[one.job.job_id for one in known.sightings]}"
        self.happened += [saved + (f" owed {owed}" if owed else "") + (f" steps {steps}" if steps else "")]

    def learn(self, sluid: str, job_id: int) -> None:
        self.learned[sluid] = job_id

    async def sightings(self) -> AsyncIterator[Sighting]:
        for seen in self.in_tree:
            yield seen

    async def ask(self, _: object) -> None:
        return None

    def order(self, _: object) -> None:
        raise AssertionError("no cgroup here")


class Desk:
    """A registry driver with a real registry."""

    def __init__(self, clock: ManualClock, memory: Memory | None = None) -> None:
        self.stages, self.counters, self.clock = Stages(), Counters(), clock
        at = Moment(clock.wall_ns(), clock.boottime_ns())
        registry = reg.Registry(Place("demo", "n0", BOOT), reg.RegistrySettings(), at, memory)
        stand_in = self.stages
        self.driver = RegistryDriver(
            registry,
            stand_in,
            stand_in,
            stand_in,
            stand_in,
            stand_in,
            clock,
            Reporter(self.counters, clock),  # type: ignore[arg-type]
        )

    def restarted(self) -> Desk:
        """The next daemon of this boot."""
        at = Moment(self.clock.wall_ns(), self.clock.boottime_ns())
        return Desk(self.clock, self.driver.registry.remembered(at, {}))

    async def arrives(self, event: HookEvent) -> None:
        """The event is safe; what follows happens in the loop's next turn."""
        self.stages.arrived[event.id]()
        await asyncio.sleep(0)

    async def hook(
        self,
        number: int,
        role: HookRole = HookRole.PROLOG,
        job_id: int = 7,
        file: str = "a",
        cluster: str | None = None,
    ) -> HookEvent:
        self.clock.advance(1.0)
        event = HookEvent(
            id=f"{number:032x}",
            role=role,
            time_ns=self.clock.wall_ns(),
            boot_id=BOOT,
            boottime_ns=self.clock.boottime_ns(),
            cluster=cluster,
            node=None,
            job=JobIdentity(job_id=job_id, sluid="sAZNM81GJARB00"),
        )
        await self.driver.hook(event, Token(Path(file)))
        return event

    async def step(self, name: str, job_id: int = 7) -> None:
        self.clock.advance(1.0)
        event = StepEvent(
            id=name,
            role=StepRole.EXIT,
            time_ns=self.clock.wall_ns(),
            boot_id=BOOT,
            boottime_ns=self.clock.boottime_ns(),
            node=None,
            job=JobIdentity(job_id=job_id),
            told=StepTotals(step=name, ended_ns=self.clock.wall_ns()),
        )
        await self.driver.step(event, Token(Path(name)))


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


async def test_a_hooks_file_goes_when_its_event_has_arrived_and_not_before(desk: Desk) -> None:
    event = await desk.hook(1)
    assert desk.stages.released == []
    await desk.arrives(event)
    assert desk.stages.released == [Token(Path("a"))]
    assert desk.stages.learned == {"sAZNM81GJARB00": 7}


async def test_who_is_known_from_before_needs_no_title_and_has_gone_if_the_whole_tree_does_not_show_it(
    desk: Desk,
) -> None:
    await desk.hook(1)
    desk.driver.registry.handle(reg.CgroupAppeared(Moment(0, desk.clock.boottime_ns()), "a", JobIdentity(job_id=7)))
    after = desk.restarted()
    await after.driver.follow_cgroups(())
    assert after.stages.learned == {"sAZNM81GJARB00": 7}
    (known,) = after.driver.registry.sightings()
    assert known.awaits_walk
    after.stages.in_tree = [TreeSeen(Moment(desk.clock.wall_ns(), desk.clock.boottime_ns()))]
    await after.driver.follow_cgroups(())
    assert not known.awaits_walk


@pytest.mark.parametrize(("cluster", "lines"), [(None, 0), ("Demo", 0), ("other", 1)])
async def test_a_cluster_that_the_hooks_call_otherwise_is_told_once_with_what_to_write(
    cluster: str | None, lines: int, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.hook(1, cluster=cluster)
    await desk.hook(2, HookRole.EPILOG, cluster=cluster)
    told = [record.getMessage() for record in caplog.records if 'cluster = "other"' in record.getMessage()]
    assert len(told) == lines


async def test_a_second_file_of_one_event_goes_with_the_first(desk: Desk) -> None:
    event = await desk.hook(1, file="a")
    await desk.hook(1, file="b")
    assert desk.stages.released == []
    await desk.arrives(event)
    assert desk.stages.released == [Token(Path("a")), Token(Path("b"))]
    assert len(desk.stages.told) == 1


async def test_a_file_that_is_read_again_after_its_event_arrived_goes_at_once(desk: Desk) -> None:
    event = await desk.hook(1, file="a")
    await desk.arrives(event)
    await desk.hook(1, file="b")
    await asyncio.sleep(0)
    assert desk.stages.released == [Token(Path("a")), Token(Path("b"))]


async def test_before_files_go_it_is_kept_once_for_all_of_them_what_came_of_them(desk: Desk) -> None:
    events = [await desk.hook(number, job_id=number, file=str(number)) for number in (1, 2)]
    for event in events:
        desk.stages.arrived[event.id]()
    await asyncio.sleep(0)
    assert desk.stages.happened == ["saved [1, 2]", "released 1", "released 2"]


async def test_before_an_epilogs_file_goes_its_summary_is_kept_and_only_until_it_is_safe(desk: Desk) -> None:
    await desk.hook(1, file="a")
    epilog = await desk.hook(2, HookRole.EPILOG, file="b")
    await desk.driver.finish_summaries()
    await desk.arrives(epilog)
    assert desk.stages.happened == ["saved [] owed [7]", "released b"]
    (summary,) = [event for event in desk.stages.told if isinstance(event, JobSummary)]
    desk.stages.arrived[summary.id]()
    await asyncio.sleep(0)
    assert desk.stages.happened[2:] == ["saved []"]


async def test_files_of_steps_go_together_when_what_they_said_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_driver, "STEPS_SETTLE_S", 0.0)
    await desk.hook(1)
    for file in ("b", "c"):
        await desk.step(file)
    assert desk.stages.released == []
    await until(lambda: desk.stages.happened, "the files have gone")
    assert desk.stages.happened == ["saved [7] steps ['b', 'c']", "released b", "released c"]


async def test_a_file_of_a_step_waits_no_longer_than_one_of_a_hook(desk: Desk) -> None:
    event = await desk.hook(1, file="a")
    await desk.step("b")
    await desk.arrives(event)
    assert desk.stages.happened == ["saved [7] steps ['b']", "released b", "released a"]


async def test_an_event_that_cannot_be_sent_is_counted_keeps_its_file_and_costs_no_other(desk: Desk) -> None:
    desk.stages.refused.add(7)
    await desk.hook(1, job_id=7, file="a")
    await desk.hook(2, HookRole.EPILOG, job_id=7, file="b")
    await desk.hook(3, job_id=8, file="c")
    await desk.driver.finish_summaries()
    assert [event.id for event in desk.stages.told] == [f"{3:032x}"]
    assert desk.stages.released == []
    failed = desk.counters.snapshot()
    assert failed['instruction_failed_total{instruction="Emit",error="ZeroDivisionError"}'] == 2
    assert failed['instruction_failed_total{instruction="Summarise",error="ZeroDivisionError"}'] == 1
