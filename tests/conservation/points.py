"""Metrics under the same judge: delivered + told as dropped = made, at a real carbon-cache behind a fault proxy.

How many a node's sampler made nobody but the daemon could say. So they are made here, line by line, and brought to the
real slurmlens-relay, which takes carbon's plaintext into the same spool and hands it to the same sink as a node does.
Delivered is what stands in the whisper files; dropped is what the `lines-dropped` events say that the relay's file sink
wrote, which is how an operator learns of it. Nobody's counter is asked.

The relay itself is frozen and never killed: what a killed one had read was acknowledged by nobody, and its node would
send it again out of its resend window.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.carbon import Carbon
from deploy.component import listens, start_and_wait

from conservation.programs import Program, SmallDisk
from conservation.receivers import BACKOFF, ComponentVictim, Place, free_port
from conservation.verdict import Finding, Rule
from testkit.fault_proxy import FaultProxy
from testkit.waiting import until
from testkit.whisper import finest_points, series_file

SERIES = tuple(f"slurm.demo.nodes.n{node}.slots.{slot}.cpu_cores" for node in range(4) for slot in range(10))
SETTLE_S = 45.0
MAX_AGE_S = 60
"""As short as the settings allow: a relay takes nothing more before it drops for want of room, so only age is left."""

LAST_S = 3600
"""Seconds before now at which the first point stands: within the finest archive."""


@dataclass
class Made:
    """What was brought to the relay: values by series and second."""

    points: dict[tuple[str, int], float] = field(default_factory=dict)
    next_second: int = field(default_factory=lambda: int(time.time()) - LAST_S)

    def more(self, seconds: int) -> bytes:
        """A point of each series for so many seconds more."""
        lines = []
        for second in range(self.next_second, self.next_second + seconds):
            for number, series in enumerate(SERIES):
                value = float(number * 100_000 + second % 100_000)
                self.points[series, second] = value
                lines.append(f"{series} {value:.15g} {second}\n")
        self.next_second += seconds
        return "".join(lines).encode()


class CarbonReceiver:
    """A real carbon-cache; its store are its whisper files."""

    name = "carbon"
    notices_changes = False

    def __init__(self, place: Place) -> None:
        self._carbon = Carbon(place.sandbox, fast_interval_s=1, slow_interval_s=5)
        self.port: int | None = self._carbon.port
        self.proxy_port = 0
        self._started = False

    async def start(self) -> None:
        await asyncio.to_thread(start_and_wait, self._carbon.cache if self._started else self._carbon)
        self._started = True
        self.victim = ComponentVictim(self._carbon.cache)

    def settings(self) -> str:
        return f"[sinks.carbon]\nport = {self.proxy_port}\ntimeout_s = 2\n{BACKOFF}"

    def points(self) -> dict[tuple[str, int], float]:
        """Everything in the files."""
        return {
            (series, second): value
            for series in SERIES
            for second, value in finest_points(series_file(self._carbon.whisper, series)).items()
        }

    async def stop(self) -> None:
        await asyncio.to_thread(self._carbon.stop)


class MetricRoad:
    """Points from here through the relay and the proxy to carbon."""

    def __init__(self, place: Place, carbon: CarbonReceiver, proxy: FaultProxy, disk: SmallDisk) -> None:
        self.made = Made()
        self.carbon = carbon
        self.proxy = proxy
        self.disk = disk
        self._port = free_port()
        self._events = place.folder / "told.ndjson"
        self._writer: asyncio.StreamWriter | None = None
        config = place.folder / "relay.toml"
        config.write_text(self._settings(place.folder))
        argv = disk.entering(place.product("slurmlens.relay.main", "--config", str(config)))
        self.relay = Program("relay", argv, place.folder / "relay.log", env=place.product_env)

    async def start(self) -> None:
        await self.relay.start()
        await until(lambda: listens(self._port) or not self.relay.is_running, "the relay listens")
        assert self.relay.is_running, self.relay.tail()
        _, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def bring(self, seconds: int) -> None:
        """Make more points and wait until the kernel has taken them."""
        assert self._writer is not None
        self._writer.write(self.made.more(seconds))
        await self._writer.drain()

    async def settle(self) -> None:
        """Until nothing is missing but what was told as dropped, or nothing has changed for long."""
        state, since = (-1, -1), time.monotonic()
        while time.monotonic() - since < SETTLE_S:
            now = len(self.carbon.points()), self.dropped()
            if sum(now) == len(self.made.points):
                return
            if now != state:
                state, since = now, time.monotonic()
            await asyncio.sleep(0.1)

    def dropped(self) -> int:
        """Lines of metrics that were told as dropped: of each reason and beginning the greatest number counts."""
        told: dict[tuple[str, int], int] = {}
        for line in self._events.read_bytes().splitlines() if self._events.exists() else ():
            event = json.loads(line)["slurm"]
            if event["kind"] == "lines-dropped":
                for one in event["dropped"]:
                    if one["stream"] == "metrics":
                        key = one["reason"], one["since_ns"]
                        told[key] = max(told.get(key, 0), one["lines"])
        return sum(told.values())

    async def stop(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        await self.relay.end()

    def _settings(self, folder: Path) -> str:
        return f"""
cluster = "demo"
name = "r1"
runtime_path = "{folder}/relay-run"
[listen]
port = {free_port()}
[carbon]
port = {self._port}
linger_s = 0.05
max_bytes = 16384
[spool]
path = "{self.disk.path}/spool"
metrics_memory_bytes = 2097152
max_age_s = {MAX_AGE_S}
[auth]
munge = false
token_file = "{folder}/tokens"
{self.carbon.settings()}
[sinks.file]
path = "{self._events}"
[log]
format = "json"
"""


def judge_points(made: Made, stored: dict[tuple[str, int], float], dropped: int) -> list[Finding]:
    """Every point once, with its value, or told as dropped; and none that nobody made."""
    missing = [key for key in made.points if key not in stored]
    strange = [key for key, value in stored.items() if made.points.get(key) != value]
    findings = []
    if len(missing) != dropped:
        findings.append(_finding(Rule.POINTS_LOST, missing, f"{len(missing)} missing, {dropped} told as dropped"))
    if strange:
        findings.append(_finding(Rule.POINTS_UNKNOWN, strange, f"{len(strange)} were not made so"))
    return findings


def _finding(rule: Rule, cases: Iterable[tuple[str, int]], text: str) -> Finding:
    shown = [f"{series} at {second}" for series, second in cases]
    return Finding(rule, "carbon", len(shown), (text, *shown[:3]))
