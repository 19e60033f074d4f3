"""The sampler's thread: carries out orders as they come and reads what the schedule says is due.

Owns the thread and the way in and out of it. Reading 200 cgroups takes milliseconds, which the event loop has not got
to spare; so the engine lives here alone, orders go in through a queue (which also ends the wait for the next tick) and
results come back through the loop. Invariants: orders are carried out in the order they were given; whatever an order
or a tick raises is counted and ends nothing. Made and used by `pipeline`.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from slurmlens.clock import NS_PER_S, Clock, Moment
from slurmlens.node.sampler.engine import Engine
from slurmlens.node.sampler.points import Lines
from slurmlens.node.sampler.process_io import PROCESS_IO_FORBIDDEN
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting

T = TypeVar("T")
Order = Callable[[Engine, Moment], object]
OnLines = Callable[[Lines], None]

SAMPLER_FAILED = InternalEvent(
    "sampler_failed", logging.ERROR, "an order or a tick of the sampler failed: {error}; it goes on", ("error",)
)
READ_FAILED = InternalEvent(
    "cgroup_read_failed", logging.WARNING, "a cgroup could not be read: {reason} {detail}", ("reason",)
)
IO_FORBIDDEN = lasting(
    "process_io_forbidden",
    logging.INFO,
    "processes may not be looked at, so jobs have no I/O where the kernel counts none for them; "
    "the unit is shipped so, and its drop-in for process I/O grants the right",
)
JOIN_TIMEOUT_S = 5.0


class SamplerThread:
    """Runs an `Engine` in a thread of its own; every method is for the event loop's thread."""

    def __init__(
        self, make_engine: Callable[[Moment], Engine], clock: Clock, reporter: Reporter, on_lines: OnLines
    ) -> None:
        self._make_engine = make_engine
        self._clock = clock
        self._reporter = reporter
        self._on_lines = on_lines
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to sample; results come through the running loop. Raises what making the engine raises."""
        self._loop = asyncio.get_running_loop()
        engine = self._make_engine(self._now())
        self._thread = threading.Thread(target=self._run, args=(engine,), name="sampler", daemon=True)
        self._thread.start()

    def order(self, order: Order) -> None:
        """Have something done; nobody waits for it."""
        self._orders.put(order)

    async def ask(self, order: Callable[[Engine, Moment], T]) -> T:
        """Have something done and wait for what it returns, or raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def carry_out(engine: Engine, now: Moment) -> None:
            try:
                result = order(engine, now)
            except Exception as error:
                loop.call_soon_threadsafe(_fail, answer, error)
                raise
            loop.call_soon_threadsafe(_settle, answer, result)

        self._orders.put(carry_out)
        return await answer

    async def stop(self) -> None:
        """Carry out what was ordered, then end the thread and close every descriptor."""
        if self._thread is not None and self._thread.is_alive():
            self._orders.put(None)
            await asyncio.to_thread(self._thread.join, JOIN_TIMEOUT_S)

    # --- in the thread

    def _run(self, engine: Engine) -> None:
        try:
            while self._wait_and_obey(engine):
                self._tick(engine)
        finally:
            engine.close()

    def _wait_and_obey(self, engine: Engine) -> bool:
        """Wait for orders until something is due; False when the thread is to end."""
        timeout_s = engine.schedule.wait_ns(self._now()) / NS_PER_S
        try:
            order = self._orders.get(timeout=timeout_s) if timeout_s > 0 else self._orders.get_nowait()
            while True:
                if order is None:
                    return False
                self._carry_out(order, engine)
                order = self._orders.get_nowait()
        except queue.Empty:
            return True

    def _carry_out(self, order: Order, engine: Engine) -> None:
        try:
            order(engine, self._now())
        except Exception as error:
            self._reporter.report(SAMPLER_FAILED, cause=error, error=type(error).__name__)

    def _tick(self, engine: Engine) -> None:
        now = self._now()
        due = engine.schedule.due(now)
        if not due:
            return
        began_ns = time.thread_time_ns()
        try:
            lines = engine.run(due, now)
        except Exception as error:
            self._reporter.report(SAMPLER_FAILED, cause=error, error=type(error).__name__)
            return
        if due.tick_ns is not None:
            engine.schedule.spent(time.thread_time_ns() - began_ns)
        if lines.count:
            self.post(lines)

    def post(self, lines: Lines) -> None:
        """Hand points over to the loop; also for what an order made."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_lines, lines)

    def _now(self) -> Moment:
        return Moment(self._clock.wall_ns(), self._clock.boottime_ns())


def failure_reporter(reporter: Reporter) -> Callable[[str, Exception | None], None]:
    """What the engine calls for everything that fails alone."""

    def report(reason: str, error: Exception | None) -> None:
        if reason == PROCESS_IO_FORBIDDEN:
            reporter.report(IO_FORBIDDEN)
        else:
            reporter.report(READ_FAILED, reason=reason, detail=error or "")

    return report


def _settle(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[T], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
