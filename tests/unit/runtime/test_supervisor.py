"""A stage that fails is started again alone, counted and waited for; cancelling leaves nothing running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.runtime.backoff import Backoff
from slurmlens.runtime.supervisor import Supervisor
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock


class Naps:
    """Stands for `asyncio.sleep`: passes the time on the test's clock and writes down how long."""

    def __init__(self, clock: ManualClock) -> None:
        self.waits_s: list[float] = []
        self._clock = clock

    async def __call__(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self._clock.advance(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def naps(clock: ManualClock) -> Naps:
    return Naps(clock)


@pytest.fixture
def supervisor(clock: ManualClock, naps: Naps) -> Supervisor:
    return Supervisor(Reporter(Counters(), clock), clock, sleep=naps, least_wait_s=1, most_wait_s=8)


def failing(times: int, then: Callable[[], Awaitable[None]] | None = None) -> Callable[[], Awaitable[None]]:
    remaining = [times]

    async def stage() -> None:
        if remaining[0]:
            remaining[0] -= 1
            raise OSError("disk on fire")
        if then is not None:
            await then()

    return stage


async def test_a_failed_stage_is_started_again_and_counted(supervisor: Supervisor, naps: Naps) -> None:
    supervisor.add("sampler", failing(3))
    await supervisor.run()
    state = supervisor.states["sampler"]
    assert (state.failures, state.last_error, state.running) == (3, "OSError: disk on fire", False)
    counters = supervisor._reporter.counters.snapshot()
    assert counters['stage_failed_total{stage="sampler"}'] == 3


async def test_waits_grow_to_their_bound_with_jitter(supervisor: Supervisor, naps: Naps) -> None:
    supervisor.add("sink", failing(6))
    await supervisor.run()
    for wait_s, ceiling_s in zip(naps.waits_s, (1, 2, 4, 8, 8, 8), strict=True):
        assert ceiling_s / 2 <= wait_s <= ceiling_s


async def test_a_stage_that_ran_well_for_long_is_restarted_quickly(
    supervisor: Supervisor, naps: Naps, clock: ManualClock
) -> None:
    calls = [0]

    async def stage() -> None:
        calls[0] += 1
        if calls[0] == 4:
            clock.advance(100)
        if calls[0] <= 4:
            raise OSError

    supervisor.add("sampler", stage)
    await supervisor.run()
    assert naps.waits_s[3] <= 1


async def test_one_stage_s_failure_does_not_disturb_another(supervisor: Supervisor) -> None:
    done = asyncio.Event()

    async def steady() -> None:
        await done.wait()

    async def finish() -> None:
        assert supervisor.states["steady"].running
        done.set()

    supervisor.add("steady", steady)
    supervisor.add("shaky", failing(2, finish))
    await supervisor.run()
    assert supervisor.states["steady"].failures == 0


async def test_cancelling_ends_every_stage_after_its_own_clean_up(supervisor: Supervisor) -> None:
    cleaned: list[str] = []

    def stage(name: str) -> Callable[[], Awaitable[None]]:
        async def forever() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.append(name)

        return forever

    for name in ("a", "b"):
        supervisor.add(name, stage(name))
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(cleaned) == ["a", "b"]
    assert not any(state.running for state in supervisor.states.values())
    assert len(asyncio.all_tasks()) == 1


async def test_a_stage_whose_inner_task_was_cancelled_has_failed_and_is_started_again(supervisor: Supervisor) -> None:
    starts = [0]

    async def stage() -> None:
        starts[0] += 1
        if starts[0] == 1:
            inner = asyncio.create_task(asyncio.Event().wait())
            inner.cancel()
            await inner

    supervisor.add("sink", stage)
    await supervisor.run()
    assert (starts[0], supervisor.states["sink"].failures) == (2, 1)


def test_two_stages_of_one_name_are_a_mistake(supervisor: Supervisor) -> None:
    supervisor.add("a", failing(0))
    with pytest.raises(ValueError, match="two stages named a"):
        supervisor.add("a", failing(0))


@given(st.floats(0.01, 10), st.floats(1, 100), st.lists(st.floats(0, 1, exclude_max=True), max_size=20))
def test_back_off_never_leaves_its_bounds(least_s: float, factor: float, draws: list[float]) -> None:
    source = iter(draws)
    backoff = Backoff(least_s, least_s * factor, lambda: next(source))
    waits = [backoff.next_s() for _ in draws]
    assert all(least_s / 2 <= wait <= least_s * factor for wait in waits)
    backoff.reset()
    source = iter([0.0])
    assert backoff.next_s() == least_s / 2
