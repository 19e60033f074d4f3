"""How late an event loop is while ticks go on: the node daemon's own loop, with a probe beside its tasks.

    python -m bench.loop_probe SECONDS [CONFIG]

Without CONFIG the loop has nothing but the probe: that is the reference. The probe asks for a millisecond's sleep again
and again; how much later than that it wakes is the lag. epoll_wait(2) waits for whole milliseconds, so whatever wakes
the loop meanwhile would make the probe late by rounding: `FineSelector` does not round. Only what falls into the first
part of a second counts, when the daemon (at 1 Hz, aligned to the wall clock) does its tick. Prints {"p50_us": …,
"p99_us": …, "samples": …}.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import selectors
import signal
import sys
import time
from pathlib import Path

from bench.result import percentile

PAUSE_S = 0.001
TICK_PART_S = 0.2
"""Of each second: a tick of 200 cgroups, its pauses and its sending are over by then."""
SETTLE_S = 4.0


class FineSelector(selectors.EpollSelector):
    """Waits for microseconds, by select(2) on epoll's own descriptor."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector`."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        select.select([self.fileno()], [], [], timeout)
        return super().select(0)


async def probe(seconds: float) -> list[float]:
    """Lags in µs, of wake-ups in the tick's part of a second."""
    lags = []
    end_s = time.monotonic() + seconds
    while (before_s := time.monotonic()) < end_s:
        in_tick = time.time() % 1.0 < TICK_PART_S
        await asyncio.sleep(PAUSE_S)
        if in_tick:
            lags.append((time.monotonic() - before_s - PAUSE_S) * 1e6)
    return lags


async def alone(seconds: float) -> list[float]:
    return await probe(seconds)


async def beside_daemon(config_path: Path, seconds: float) -> list[float]:
    """The daemon as its program runs it, in this loop; stopped by the signal that systemd sends."""
    from slurmlens.clock import SystemClock
    from slurmlens.config.load import load_node
    from slurmlens.node.main import serve

    daemon = asyncio.create_task(serve(load_node(config_path), SystemClock()))
    await asyncio.sleep(SETTLE_S)
    lags = await probe(seconds)
    os.kill(os.getpid(), signal.SIGTERM)
    await daemon
    return lags


def main() -> None:
    seconds = float(sys.argv[1])
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(FineSelector())) as runner:
        lags = runner.run(beside_daemon(Path(sys.argv[2]), seconds) if len(sys.argv) > 2 else alone(seconds))
    print(json.dumps({"p50_us": percentile(lags, 0.5), "p99_us": percentile(lags, 0.99), "samples": len(lags)}))


if __name__ == "__main__":
    main()
