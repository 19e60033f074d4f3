"""Fills a tmpfs of 1 MiB under a spool, and makes room again; run in a mount namespace of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from testkit.spools import SpoolSetup, payloads, settled, take_all


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


async def main(folder: Path) -> None:
    mount("-t", "tmpfs", "-o", "size=1m", "none", str(folder))
    setup = SpoolSetup(folder / "spool")
    spool = await setup.opened()
    assert spool.state.mode == "volatile", spool.state
    await spool.append(setup.batch(b"before"))
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass
    made = [b"%d " % number * 2000 for number in range(20)]
    for payload in made:
        await spool.append(setup.batch(payload))
        await spool.append(setup.metrics(payload))
    assert spool.state.failure == "full", spool.state
    committed = len(setup.safe)
    assert committed < 21, committed
    assert await payloads(spool, "hub") == [b"before", *made]
    await take_all(spool, "hub")
    ballast.unlink()
    await spool.retry()
    assert spool.state.failure is None, spool.state
    assert setup.safe == [b"before", *made], len(setup.safe)
    await settled(spool)
    await spool.close()

    # Another life that begins on a full disk, with something in its file.
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass
    spool = await setup.opened()
    assert await payloads(spool, "file") == [b"before", *made]
    await spool.append(setup.batch(b"x" * 50_000))
    ballast.unlink()
    await spool.retry()
    assert await take_all(spool, "file") == [b"before", *made, b"x" * 50_000]
    assert await take_all(spool, "hub") == [b"x" * 50_000]
    assert setup.counted("queue_dropped_lines", stream="events") == 0
    await spool.close()
    sys.stdout.write("complete\n")


asyncio.run(main(Path(sys.argv[1])))
