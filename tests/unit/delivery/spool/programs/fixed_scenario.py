"""A spool's life that is always the same, for a test that ends it at every system call.

Events, metrics that spill, acknowledgements, an orderly end; of what earlier lives left some is taken. Told in a file,
one line each with one write(2): `offered ID` before, `safe ID` when the commit was reported, `SINK ID` before SINK
acknowledges.

Starting Python takes longer than such a life, so this is a server: for every line `FOLDER LIFE TOLD` on standard input
it forks, answers with the child's id and, when that has ended, with its status. The child stops itself before it begins
and waits to be continued.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from slurmlens.clock import SystemClock
from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.spool import Disk, Spool, SpoolLimits
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter

SINKS = {"hub": Stream.EVENTS, "file": Stream.EVENTS, "carbon": Stream.METRICS}
LIMITS = SpoolLimits(
    max_bytes=1 << 20, max_age_s=3600, memory_bytes=1 << 18, metrics_memory_bytes=1 << 13, logs_memory_bytes=1 << 13
)
CLOCK = SystemClock()


def tell(what: str, name: str) -> None:
    os.write(1, f"{what} {name}\n".encode())


async def opened(folder: Path) -> Spool:
    reporter = Reporter(Counters(), CLOCK)
    spool = Spool(SINKS, LIMITS, Disk(folder, CLOCK, reporter), "boot", CLOCK, reporter)
    await spool.open()
    return spool


async def offer(spool: Spool, stream: Stream, name: str, size: int) -> None:
    payload = f"{name}:".encode().ljust(size, b".")
    tell("offered", name)
    await spool.append(Batch(stream, payload, 1, CLOCK.monotonic_ns(), (lambda: tell("safe", name),)))


async def take(spool: Spool, sink: str, max_bytes: int) -> None:
    if spool.backlog(sink).batches:
        entries = await spool.read(sink, max_bytes)
        for entry in entries:
            tell(sink, entry.batch.payload.partition(b":")[0].decode())
        await spool.acknowledge(sink, entries[-1].position)


async def live(folder: Path, life: str) -> None:
    spool = await opened(folder)
    for number in range(6):
        await offer(spool, Stream.EVENTS, f"e{life}.{number}", 300 + 2500 * (number % 3))
        if number % 2:
            await take(spool, "hub", 4000)
        if number % 3 == 2:
            await take(spool, "file", 1)
    for number in range(8):
        await offer(spool, Stream.METRICS, f"m{life}.{number}", 1000)
    await take(spool, "carbon", 3000)
    await spool.close()


def child(folder: str, life: str, told: str) -> None:
    """Never returns: what the parent has at its end is not ours to run."""
    status = 1
    try:
        os.kill(os.getpid(), signal.SIGSTOP)
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
        asyncio.run(live(Path(folder), life))
        status = 0
    finally:
        os._exit(status)


def serve() -> None:
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            child(*line.split())
        os.waitpid(process, os.WUNTRACED)
        print(process, flush=True)  # noqa: T201
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
