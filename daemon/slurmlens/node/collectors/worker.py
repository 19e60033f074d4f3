"""The collectors' thread: one round at a time, off the event loop and off the sampler's thread.

Owns the thread. A read that hangs in the kernel holds this thread and nothing else: `round` gives up waiting, and until
the read returns there are no further rounds and `hanging` says which collector it is. Made and used by `stage`.
"""

from __future__ import annotations

import asyncio
import queue
import threading

from slurmlens.node.collectors.collecting import Collecting
from slurmlens.node.collectors.files import FileSystemSpace
from slurmlens.node.collectors.rates import NodeFigure

JOIN_TIMEOUT_S = 2.0
_Answer = asyncio.Future[list[NodeFigure]]
_Order = tuple[int, dict[str, FileSystemSpace | None], _Answer]


class CollectorThread:
    """Every method is for the event loop's thread; `collecting` belongs to the other one."""

    def __init__(self, collecting: Collecting) -> None:
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._running: _Answer | None = None
        self.collecting = collecting

    @property
    def hanging(self) -> str:
        """The collector whose read has not come back from a round that was given up; "" where all is well."""
        return self.collecting.current if self._running is not None else ""

    async def round(
        self, now_ns: int, remote: dict[str, FileSystemSpace | None], timeout_s: float
    ) -> list[NodeFigure] | None:
        """The figures of a round at boottime `now_ns`; None where it, or the one before, takes longer."""
        if self._running is not None and not self._running.done():
            return None
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="collectors", daemon=True)
            self._thread.start()
        self._running = asyncio.get_running_loop().create_future()
        self._orders.put((now_ns, remote, self._running))
        done, _ = await asyncio.wait([self._running], timeout=timeout_s)
        if not done:
            return None
        answer, self._running = self._running, None
        return answer.result()

    async def stop(self) -> None:
        """End the thread; one that hangs is left behind and ends with the process."""
        if self._thread is not None and self._thread.is_alive():
            self._orders.put(None)
            if not self.hanging:
                await asyncio.to_thread(self._thread.join, JOIN_TIMEOUT_S)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            now_ns, remote, answer = order
            loop = answer.get_loop()
            try:
                figures = self.collecting.round(now_ns, remote)
            except Exception as error:
                _call(loop, _fail, answer, error)
            else:
                _call(loop, _settle, answer, figures)
        self.collecting.close()


def _call(loop: asyncio.AbstractEventLoop, *call: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(*call)  # type: ignore[arg-type]  # a function and what it takes


def _settle(answer: _Answer, figures: list[NodeFigure]) -> None:
    if not answer.done():
        answer.set_result(figures)


def _fail(answer: _Answer, error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
