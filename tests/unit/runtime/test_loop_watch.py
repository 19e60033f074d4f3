"""The loop's watch: CPU time between two looks at the sockets, and nothing else."""

from __future__ import annotations

import asyncio
import threading

from slurmlens.runtime.beside import beside
from slurmlens.runtime.loop_watch import LoopWatch, watch_of_running_loop, watched_loop

MS = 1_000_000


class Clock:
    """CPU time that a test spends by hand."""

    def __init__(self) -> None:
        self.spent_ns = 0

    def __call__(self) -> int:
        return self.spent_ns


def test_what_runs_between_two_selects_is_one_hold() -> None:
    clock = Clock()
    watch = LoopWatch(clock, lambda: 77)
    for hold_ms in (3, 51, 20):
        watch.select(0)
        clock.spent_ns += hold_ms * MS
    watch.select(0)
    holds = watch.holds()
    watch.close()
    assert (holds.longest_hold_ms, holds.longest_hold_ns, holds.held) == (51.0, 77, 1)


def test_a_watch_that_forgets_begins_anew() -> None:
    clock = Clock()
    watch = LoopWatch(clock, lambda: 77)
    watch.select(0)
    clock.spent_ns += 60 * MS
    watch.select(0)
    clock.spent_ns += 60 * MS
    watch.forget()  # in the middle of a turn, of which the rest counts
    clock.spent_ns += 1 * MS
    watch.select(0)
    holds = watch.holds()
    watch.close()
    assert (holds.longest_hold_ms, holds.held) == (1.0, 0)


def test_a_watched_loop_tells_what_held_it() -> None:
    async def work() -> bool:
        watch = watch_of_running_loop()
        assert watch is not None
        sum(range(100_000))
        await asyncio.sleep(0)
        return watch.holds().longest_hold_ms > 0

    with asyncio.Runner(loop_factory=watched_loop) as runner:
        assert runner.run(work())


async def test_work_beside_the_loop_is_done_in_one_thread_of_its_own() -> None:
    threads = await asyncio.gather(*(beside(threading.get_ident) for _ in range(50)))
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


async def test_another_loop_has_no_watch() -> None:
    assert watch_of_running_loop() is None
