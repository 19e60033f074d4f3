"""The road of log lines under faults: a file that somebody writes and rotates, the node daemon, a proxy, the real hub.

Owns the writing, the faults and the judge. Accepted is a line that stands in the file with its newline. A daemon that
is killed reads up to ten seconds of it again, and the hub knows those lines by their ids; so at the end every line
stands there once, or was reported as dropped. The hub's stores are read without the product: SQL and JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from conservation.programs import Program, SmallDisk
from conservation.receivers import HubReceiver, Place
from conservation.verdict import Finding, Rule
from testkit.checkout import ROOT
from testkit.fault_proxy import FaultProxy, fault_proxy
from testkit.waiting import until

NODE = "n0"
SETTLE_S = 15.0
FAULTS = ("kill node", "kill node", "end node", "kill hub", "cut", "rotate", "rotate")


class WrittenFile:
    """A log file; `lines` are those that are whole in it, or were before it was rotated."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self._rotated = 0

    def write(self, count: int) -> None:
        """So many more lines, each of which says something else."""
        more = [f"line {len(self.lines) + number} of the ordeal" for number in range(count)]
        with self.path.open("a") as file:
            file.writelines(f"{line}\n" for line in more)
        self.lines += more

    def rotate(self) -> None:
        """Renamed, as logrotate does; the next line makes a new file."""
        self._rotated += 1
        self.path.rename(self.path.with_name(f"{self.path.name}.{self._rotated}"))


class LogRoadOrdeal:
    """The running parts."""

    def __init__(self, folder: Path, hub: HubReceiver, proxy: FaultProxy, place: Place, bounds: str) -> None:
        self.hub = hub
        self.proxy = proxy
        self.file = WrittenFile(folder / "app.log")
        self._folder = folder
        (folder / "events").mkdir()
        config = folder / "node.toml"
        config.write_text(self._settings(bounds))
        argv = place.product("slurmlens.node.start", "--config", str(config))
        self.node = Program("node", argv, folder / "node.log", env=place.product_env)

    async def flow(self) -> None:
        """Until something has arrived; a file that comes after the daemon is read from its beginning."""
        begun = self._folder / "spool/log-positions.json"
        await until(begun.exists, f"where the file begins is on the disk: {self.node.tail(600)}")
        self.file.write(1)
        await until(lambda: self.delivered(), f"something arrives: {self.node.tail(600)}")

    async def suffer(self, chance: random.Random, lines: int) -> list[str]:
        """Fault after fault in a random order, lines between them; returns that order."""
        struck = chance.sample(FAULTS, len(FAULTS))
        for kind in struck:
            self.file.write(chance.randint(1, 2 * lines // len(FAULTS)))
            if kind == "rotate":
                self.file.rotate()
            elif kind == "cut":
                self.proxy.cut()
            elif kind == "kill hub":
                await self.hub.program.end()
                self.file.write(20)
                await self.hub.start()
            else:
                await self.node.end(signal.SIGKILL if kind == "kill node" else signal.SIGTERM)
                self.file.write(20)
                await self.node.start()
            await asyncio.sleep(chance.random() / 4)
        return struck

    async def settle(self) -> None:
        """Until nothing is missing but what was reported, or nothing changes for long."""
        state, since = (-1, -1), time.monotonic()
        while time.monotonic() - since < SETTLE_S:
            now = sum(self.delivered().values()), self.dropped()
            if sum(now) == len(self.file.lines):
                return
            if now != state:
                state, since = now, time.monotonic()
            await asyncio.sleep(0.1)

    def delivered(self) -> Counter[str]:
        """How often each line stands at the hub, with what was folded into it."""
        found: Counter[str] = Counter()
        for path in sorted((self._folder / "logs").glob("logs-*.sqlite3")):
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as connection:
                for (line,) in connection.execute("SELECT line FROM lines"):
                    told = json.loads(line)
                    found[told["message"]] += 1 + told.get("repeats", 0)
        return found

    def dropped(self) -> int:
        """Log lines that were reported as dropped: of each reason and beginning the greatest number counts."""
        query = "SELECT reason, since_ns, max(lines) FROM drops WHERE stream = 'logs' GROUP BY 1, 2"
        return sum(row[2] for row in self.hub._rows(query))

    def verdict(self) -> list[Finding]:
        """Accepted = delivered + reported as dropped, each once, none that nobody wrote."""
        delivered, dropped = self.delivered(), self.dropped()
        missing = [line for line in self.file.lines if line not in delivered]
        breaches = {
            Rule.LOST: [f"{len(missing)} missing, {dropped} reported", *missing] if len(missing) != dropped else [],
            Rule.REPEATED: [line for line, times in delivered.items() if times > 1],
            Rule.UNKNOWN: sorted(set(delivered) - set(self.file.lines)),
        }
        return [Finding(rule, "hub", len(cases), tuple(cases[:4])) for rule, cases in breaches.items() if cases]

    def _settings(self, bounds: str) -> str:
        folder = self._folder
        return f"""
cluster = "demo"
node = "{NODE}"
dropbox_path = "{folder}/events"
runtime_path = "{folder}/run"
heartbeat_interval_s = 1
[spool]
path = "{folder}/spool"
[logs]
linger_s = 0.05
{bounds}
[logs.files]
paths = ["{self.file.path}"]
from_beginning = false
poll_interval_s = 0.05
[log]
format = "json"
{self.hub.settings()}
"""


@asynccontextmanager
async def log_road(folder: Path, bounds: str) -> AsyncIterator[LogRoadOrdeal]:
    """Everything runs and lines flow."""
    place = Place(folder, SmallDisk(folder / "disk", 0), ROOT, "demo", NODE)
    hub = HubReceiver(place)
    await hub.start()
    try:
        async with fault_proxy(hub.port or 0) as proxy:
            hub.proxy_port = proxy.port
            road = LogRoadOrdeal(folder, hub, proxy, place, bounds)
            await road.node.start()
            try:
                await road.flow()
                yield road
            finally:
                await road.node.end()
    finally:
        await hub.stop()
