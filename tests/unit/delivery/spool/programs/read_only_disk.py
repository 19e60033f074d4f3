"""Turns the file system under a spool read-only and back; run in a mount namespace of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from testkit.spools import SpoolSetup, take_all


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


async def main(folder: Path) -> None:
    mount("-t", "tmpfs", "-o", "size=8m", "none", str(folder))
    setup = SpoolSetup(folder / "spool")
    spool = await setup.opened()
    await spool.append(setup.batch(b"before"))
    await spool.close()

    mount("-o", "remount,ro", str(folder))
    spool = await setup.opened()
    assert spool.state.failure == "read_only", spool.state
    await spool.append(setup.batch(b"meanwhile"))
    assert setup.safe == [b"before"]
    assert await take_all(spool, "hub") == [b"meanwhile"]

    mount("-o", "remount,rw", str(folder))
    await spool.retry()
    assert setup.safe == [b"before", b"meanwhile"]
    assert await take_all(spool, "file") == [b"before", b"meanwhile"]
    assert (await take_all(spool, "hub"))[0] == b"before"
    await spool.close()
    sys.stdout.write("complete\n")


asyncio.run(main(Path(sys.argv[1])))
