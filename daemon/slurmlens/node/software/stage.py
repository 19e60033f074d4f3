"""The loop over the sources of software: looks now and then whether anything was installed, and tells what there is.

Owns when a source is told: at its first look, when its mark changed, and once a day. Invariants: sources are read by
`slurmlens-probe`, which is started for a check and ended after it; one that hangs or fails spoils only itself, and is
asked again at the next check; the first look of a node comes within `MOST_SPREAD_S` of the daemon's start, by the
node's name, so that a cluster that boots does not tell all at once; while the node is silenced nothing is looked at.
Made and run by `pipeline`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.software import SoftwareConfig
from slurmlens.events import SOFTWARE_SOURCES, NodeSoftware, Package, Place, derived_id
from slurmlens.node.probe.process import ProbeProcess
from slurmlens.runtime.process import give_back_heap
from slurmlens.telemetry.internal import Reporter, lasting

MOST_SPREAD_S = 60.0

SOFTWARE_UNREAD = lasting(
    "software_unread", logging.WARNING, "software of source {source} is not known: {problem}", ("source",)
)

Tell = Callable[[NodeSoftware], Awaitable[None]]


class _Answer(msgspec.Struct, frozen=True):
    """What the probe says of one source."""

    packages: tuple[Package, ...]
    count: int
    problem: str


@dataclass(slots=True)
class _Told:
    """What was told of a source last, and when."""

    mark: str
    told_ns: int
    had_problem: bool


class SoftwareStage:
    """The stage; `run` it until cancelled."""

    def __init__(
        self,
        config: SoftwareConfig,
        place: Place,
        root: Path,
        probe: ProbeProcess,
        tell: Tell,
        reporter: Reporter,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._place = place
        self._root = root
        self._probe = probe
        self._tell = tell
        self._reporter = reporter
        self._clock = clock
        self._sleep = sleep
        self._told: dict[str, _Told] = {}
        share = zlib.crc32(place.node.encode()) % 1000 / 1000
        self._spread_s = share * min(MOST_SPREAD_S, config.check_interval_s / 3)
        self.is_silent = False

    async def run(self) -> None:
        """Checks, until cancelled."""
        await self._sleep(self._spread_s)
        while True:
            if not self.is_silent:
                await self._check()
            await self._sleep(self._config.check_interval_s)

    async def _check(self) -> None:
        try:
            for source in SOFTWARE_SOURCES:
                if source not in self._config.without:
                    await self._look(source)
        finally:
            self._probe.kill()
        give_back_heap()

    async def _look(self, source: str) -> None:
        mark = await self._ask("software_mark", source)
        if mark is None:
            self._report(source, self._why_unknown())
            return
        before = self._told.get(source)
        if not self._is_due(str(mark), before):
            return
        answer = await self._packages(source) if mark else _Answer((), 0, "")
        if answer is None:
            self._report(source, self._why_unknown())
            return
        self._report(source, answer.problem)
        self._told[source] = _Told(str(mark), self._clock.monotonic_ns(), bool(answer.problem))
        await self._tell(self._event(source, answer))

    def _is_due(self, mark: str, before: _Told | None) -> bool:
        """A source that was never there is not told of; one that went away is, once."""
        if before is None:
            return bool(mark)
        age_s = (self._clock.monotonic_ns() - before.told_ns) / NS_PER_S
        return mark != before.mark or (age_s >= self._config.tell_interval_s and bool(mark))

    async def _packages(self, source: str) -> _Answer | None:
        told = await self._ask("software", source)
        try:
            return None if told is None else msgspec.convert(told, _Answer)
        except msgspec.ValidationError:
            return None

    async def _ask(self, question: str, source: str) -> Any:
        argument = {"source": source, "root": str(self._root), "folders": self._config.folders_of(source)}
        return await self._probe.ask(question, json.dumps(argument), self._config.timeout_s)

    def _why_unknown(self) -> str:
        return "it hangs" if self._probe.has_hung else "the probe does not answer"

    def _report(self, source: str, problem: str) -> None:
        if problem:
            self._reporter.report(SOFTWARE_UNREAD, source=source, problem=problem)
        else:
            self._reporter.over(SOFTWARE_UNREAD, source)

    def _event(self, source: str, answer: _Answer) -> NodeSoftware:
        wall_ns, boottime_ns, place = self._clock.wall_ns(), self._clock.boottime_ns(), self._place
        return NodeSoftware(
            id=derived_id(place.cluster, place.node, place.boot_id, "node-software", source, str(boottime_ns)),
            time_ns=wall_ns,
            boot_id=place.boot_id,
            boottime_ns=boottime_ns,
            cluster=place.cluster,
            node=place.node,
            source=source,
            packages=answer.packages,
            count=answer.count,
            problem=answer.problem,
        )
