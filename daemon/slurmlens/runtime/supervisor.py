"""Keeps the stages of a program running: one that fails is started again after a jittered wait, alone.

Owns the tasks of the stages. Invariants: a failing stage never ends another; every failure is counted and logged with
its traceback; cancelling `run` cancels all stages and waits for them; a stage that returns is finished and not started
again.
Called by `node.main` and `hub.main`, which hand in stages as coroutine functions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.runtime.backoff import Backoff
from slurmlens.telemetry.internal import InternalEvent, Reporter

Stage = Callable[[], Awaitable[None]]

STAGE_FAILED = InternalEvent(
    "stage_failed", logging.ERROR, "stage {stage} failed ({error}); starting it again in {wait_s:.1f} s", ("stage",)
)
STAGE_ENDED = InternalEvent("stage_ended", logging.DEBUG, "stage {stage} ended", ("stage",))


class StageState(msgspec.Struct):
    """How one stage fares, for `slurmlens status`."""

    running: bool = False
    failures: int = 0
    last_error: str | None = None

    @property
    def text(self) -> str:
        """In words."""
        if self.running:
            return "running"
        return f"failed: {self.last_error}" if self.last_error else "ended"


class Supervisor:
    """Runs named stages until cancelled."""

    def __init__(
        self,
        reporter: Reporter,
        clock: Clock,
        *,
        least_wait_s: float = 0.2,
        most_wait_s: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reporter = reporter
        self._clock = clock
        self._wait_s = (least_wait_s, most_wait_s)
        self._sleep = sleep
        self._stages: dict[str, Stage] = {}
        self._states: dict[str, StageState] = {}

    def add(self, name: str, stage: Stage) -> None:
        """Name a stage before `run`; ValueError for a name used twice."""
        if name in self._stages:
            raise ValueError(f"two stages named {name}")
        self._stages[name] = stage
        self._states[name] = StageState()

    @property
    def states(self) -> Mapping[str, StageState]:
        """Every stage by name."""
        return self._states

    async def run(self) -> None:
        """Run all stages; returns when all have ended by themselves, and ends them all when cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._stages:
                group.create_task(self._keep(name), name=name)

    async def _keep(self, name: str) -> None:
        backoff = Backoff(*self._wait_s)
        state = self._states[name]
        while True:
            began_ns = self._clock.monotonic_ns()
            state.running = True
            try:
                await self._stages[name]()
                self._reporter.report(STAGE_ENDED, stage=name)
                return
            except asyncio.CancelledError as error:
                if _is_asked_to_end():
                    raise
                failure: BaseException = error  # something inside the stage was cancelled, not the stage
            except Exception as error:
                failure = error
            finally:
                state.running = False
            # One that ran well for long has earned a quick restart.
            if self._clock.monotonic_ns() - began_ns > 2 * self._wait_s[1] * NS_PER_S:
                backoff.reset()
            await self._rest(name, failure, backoff.next_s())

    async def _rest(self, name: str, failure: BaseException, wait_s: float) -> None:
        state = self._states[name]
        state.failures += 1
        state.last_error = f"{type(failure).__name__}: {failure}"
        self._reporter.report(STAGE_FAILED, cause=failure, stage=name, error=state.last_error, wait_s=wait_s)
        await self._sleep(wait_s)


def _is_asked_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
