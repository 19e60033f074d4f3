"""Log lines and events on a full tmpfs, through two lives of the daemon; run in a mount namespace of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import Spool
from testkit.spools import SINKS_AND_LOGS, SpoolSetup, take_all

LINES = [b"line %d " % number * 1000 for number in range(40)]


def dropped(spool: Spool) -> int:
    return sum(total.lines for (stream, _), total in spool.state.dropped.items() if stream is Stream.LOGS)


def mount(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)


async def main(folder: Path) -> None:
    mount(folder)
    setup = SpoolSetup(folder / "spool")
    setup.unreported = folder.parent / "untold.json"  # the runtime folder lies elsewhere
    spool = await setup.opened(SINKS_AND_LOGS)
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass
    for number, line in enumerate(LINES):
        await spool.append(setup.batch(line, Stream.LOGS))
        if number % 8 == 0:
            await spool.append(setup.batch(b"x" * 5000))
    assert spool.state.failure == "full", spool.state
    gone = dropped(spool)
    assert 0 < gone < len(LINES), gone
    assert [line for line in setup.safe if line in LINES] == LINES[:gone], "what was dropped is answered for, in order"
    some = await spool.read("hub_logs", 20_000)
    await spool.acknowledge("hub_logs", some[-1].position)
    assert len(await take_all(spool, "hub")) >= 5
    (folder / "ballast").unlink()
    await spool.retry()
    assert spool.state.failure is None, spool.state
    await spool.close()

    spool = await setup.opened(SINKS_AND_LOGS)
    delivered = [entry.batch.payload for entry in some] + await take_all(spool, "hub_logs")
    assert delivered == LINES[gone:], len(delivered)
    assert dropped(spool) == gone, "counted once, through both lives"
    assert setup.counted("queue_dropped_lines", stream="events") == 0
    await spool.close()
    sys.stdout.write("complete\n")


asyncio.run(main(Path(sys.argv[1])))
