"""The spool against a trivial twin, in random sequences of appends, reads, waits, reboots and crashes.

A crash is a copy of the files at a moment of the disk's thread, from which the next life begins; the old life's files
are never looked at again. The twin is plain lists, everything recomputed. A sink may take its time:
what it was given stays in its hands for any number of steps, and is then delivered; what was made is delivered, waits,
or was counted as dropped, and nothing of it twice. What a crash left is read from the copy with
nothing but sqlite3: rows, who had them and the totals of what was dropped must, all together, be those of the twin
before the work that was cut off, or after one of its steps.

Runs in memory where the machine has such a folder, so that a slow disk cannot make it long (what a real disk does is
`test_spool_kill`'s part); the sequences are the same in every run but in the slow test, and a failure is not shrunk.
"""

from __future__ import annotations

import asyncio
import copy
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from slurmlens.delivery.batches import Entry, Stream
from slurmlens.delivery.spool import Spool, SpoolLimits
from slurmlens.delivery.spool.place import DATABASE
from slurmlens.delivery.spool.stream_queue import BATCH_COST_BYTES
from slurmlens.telemetry.counters import Counters
from testkit.spools import SINKS_AND_LOGS as SINKS
from testkit.spools import SpoolSetup, payloads, settled

LIMITS = SpoolLimits(
    max_bytes=4000, max_age_s=100, memory_bytes=1600, metrics_memory_bytes=1000, logs_memory_bytes=1000
)
NS_PER_S = 1_000_000_000
IN_MEMORY = Path("/dev/shm")
CLOSE_TIMEOUT_S = 10
SIZES = st.integers(1, 450)
TURNS = st.integers(0, 12)
GIVE_WAY = (Stream.METRICS, Stream.LOGS, Stream.EVENTS)
AT_ONCE = Stream.EVENTS
"""Written as it comes; the others while a sink is behind."""
SINK_NAMES = st.sampled_from(sorted(SINKS))


@dataclass(frozen=True)
class Left:
    """What a file holds: per stream its payloads in order with the sinks that had them; lines dropped by kind."""

    rows: dict[Stream, list[tuple[bytes, frozenset[str]]]]
    dropped: dict[tuple[Stream, str], int]

    @classmethod
    def read(cls, folder: Path) -> Left:
        connection = sqlite3.connect(folder / DATABASE)
        cursors = dict(connection.execute("SELECT sink, position FROM cursors"))
        rows = {
            stream: [
                (payload, frozenset(sink for sink in SINKS if SINKS[sink] is stream and cursors.get(sink, 0) >= place))
                for place, payload in connection.execute(f"SELECT position, payload FROM {stream.value} ORDER BY 1")
            ]
            for stream in Stream
        }
        dropped = {
            (Stream(name), why): n for name, why, n in connection.execute("SELECT stream, reason, lines FROM dropped")
        }
        connection.close()
        return cls(rows, dropped)


@dataclass
class Held:
    """One batch of the twin."""

    payload: bytes
    stored: bool
    boot_id: str
    born_s: float
    age_from_s: float
    had_by: set[str] = field(default_factory=set)

    @property
    def cost(self) -> int:
        return len(self.payload) + BATCH_COST_BYTES


@dataclass
class Twin:
    """The rules of the spool, without a disk and without care for speed."""

    held: dict[Stream, list[Held]] = field(default_factory=lambda: {stream: [] for stream in Stream})
    in_flight: dict[str, list[bytes]] = field(default_factory=lambda: {sink: [] for sink in SINKS})
    dropped: Counter[tuple[Stream, str]] = field(default_factory=Counter)

    def append(self, stream: Stream, batch: Held, now_s: float) -> None:
        self.held[stream].append(batch)
        self.trim(now_s)
        for kind, queue in self.held.items():
            if sum(len(one.payload) for one in queue if not one.stored) > LIMITS.spill_bytes(kind):
                for one in queue:
                    one.stored = True

    def trim(self, now_s: float) -> None:
        for stream in self.held:
            while (oldest := self.oldest_free(stream)) and now_s - oldest.age_from_s > LIMITS.max_age_s:
                self.drop(stream, oldest, "age")
        while self.size_bytes > LIMITS.max_bytes:
            free = [(stream, one) for stream in GIVE_WAY if (one := self.oldest_free(stream))]
            if not free:
                break
            self.drop(*free[0], "spool_limit")

    @property
    def size_bytes(self) -> int:
        return sum(one.cost for queue in self.held.values() for one in queue)

    def oldest_free(self, stream: Stream) -> Held | None:
        """What a sink has in its hands is not given up."""
        in_flight = {payload for entries in self.in_flight.values() for payload in entries}
        return next((one for one in self.held[stream] if one.payload not in in_flight), None)

    def drop(self, stream: Stream, one: Held, reason: str) -> None:
        self.held[stream].remove(one)
        self.dropped[stream, reason] += 1

    def waiting(self, sink: str) -> list[bytes]:
        return [one.payload for one in self.held[SINKS[sink]] if sink not in one.had_by]

    def give(self, sink: str, given: list[bytes]) -> None:
        self.in_flight[sink] += [payload for payload in given if payload not in self.in_flight[sink]]

    def acknowledge(self, sink: str, count: int, now_s: float) -> None:
        """What it had in its hands may be too old, and others do not have it yet."""
        stream = SINKS[sink]
        self.in_flight[sink] = self.in_flight[sink][count:]
        for one in [one for one in self.held[stream] if sink not in one.had_by][:count]:
            one.had_by.add(sink)
        everyone = {name for name in SINKS if SINKS[name] is stream}
        self.held[stream] = [one for one in self.held[stream] if one.had_by != everyone]
        self.trim(now_s)

    def left(self) -> Left:
        """What a crash would leave now, were nothing on its way."""
        rows = {
            stream: [(one.payload, frozenset(one.had_by)) for one in queue if one.stored]
            for stream, queue in self.held.items()
        }
        return Left(rows, dict(self.dropped))

    def begin(self, boot_id: str, now_s: float) -> None:
        """What a new life finds: only what was stored; the age of another boot's is guessed by the wall clock."""
        self.in_flight = {sink: [] for sink in SINKS}
        for stream, queue in self.held.items():
            self.held[stream] = [one for one in queue if one.stored]
            for one in self.held[stream]:
                age_s = now_s - one.born_s
                one.age_from_s = one.born_s if one.boot_id == boot_id else now_s - min(age_s, LIMITS.max_age_s / 2)
        self.trim(now_s)


class SpoolAndTwin(RuleBasedStateMachine):
    """Does the same to both and compares."""

    def __init__(self) -> None:
        super().__init__()
        in_memory = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
        self.base = Path(tempfile.mkdtemp(prefix="spool-model-", dir=in_memory))
        self.lives = 0
        self.made = 0
        self.setup = SpoolSetup(self.base / "0")
        self.twin = Twin()
        self.in_flight: dict[str, list[Entry]] = {}
        self.made_loose = self.vanished = 0
        self.delivered: set[bytes] = set()
        self.lines_made: set[bytes] = set()
        self.dropped_before: dict[tuple[Stream, str], int] = {}
        self.counted_at_death: dict[str, float] = {}
        self.runner = asyncio.Runner()
        self.spool: Spool = self.runner.run(self.setup.opened(SINKS, LIMITS))

    def teardown(self) -> None:
        """Bounded: after a failure in the middle of something, what is awaited may never come."""

        async def close() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self.spool.close()

        try:
            self.runner.run(close())
            self.runner.close()
        finally:
            shutil.rmtree(self.base)

    @property
    def now_s(self) -> float:
        return self.setup.clock.monotonic_ns() / NS_PER_S

    def new_payload(self, size: int) -> bytes:
        self.made += 1
        return (b"%d:" % self.made).ljust(size, b".")

    def holds(self, payload: bytes) -> Held:
        return Held(payload, False, self.setup.boot_id, self.now_s, self.now_s)

    # --- ordinary days

    @rule(stream=st.sampled_from(Stream), size=SIZES)
    def append(self, stream: Stream, size: int) -> None:
        payload = self.new_payload(size)

        async def act() -> None:
            await self.spool.append(self.setup.batch(payload, stream))
            await settled(self.spool)

        self.runner.run(act())
        self.twin.append(stream, self.holds(payload), self.now_s)
        self.made_loose += stream is not AT_ONCE
        if stream is Stream.LOGS:
            self.lines_made.add(payload)
        assert stream is not AT_ONCE or payload in self.setup.safe

    @rule(sink=SINK_NAMES, max_bytes=st.integers(1, 2000), takes=st.booleans())
    def read(self, sink: str, max_bytes: int, takes: bool) -> None:
        self.twin.trim(self.now_s)
        expected = self.twin.waiting(sink)

        async def act() -> list[Entry]:
            reading = asyncio.create_task(self.spool.read(sink, max_bytes))
            entries = []
            if expected:
                entries = await reading
            else:
                await asyncio.sleep(0)
                assert not reading.done()
                reading.cancel()
            await settled(self.spool)
            return entries

        self.in_flight[sink] = self.runner.run(act())
        given = [entry.batch.payload for entry in self.in_flight[sink]]
        assert given == expected[: len(given)]
        assert bool(given) == bool(expected)
        assert len(given) <= 1 or sum(map(len, given)) <= max_bytes
        self.twin.give(sink, given)
        if takes:
            self.deliver(sink)

    @rule(sink=SINK_NAMES)
    def deliver_late(self, sink: str) -> None:
        """What a sink was given some steps ago, and what gives way meanwhile is something else."""
        self.deliver(sink)

    def deliver(self, sink: str) -> None:
        entries = self.in_flight.pop(sink, [])

        async def act() -> None:
            await self.spool.acknowledge(sink, entries[-1].position)
            await settled(self.spool)

        if entries:
            self.runner.run(act())
            self.twin.acknowledge(sink, len(entries), self.now_s)
            self.delivered |= {entry.batch.payload for entry in entries if SINKS[sink] is not AT_ONCE}

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds: int) -> None:
        self.setup.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        """An orderly one takes along what only memory had."""
        self.runner.run(self.spool.close())
        for one in (one for queue in self.twin.held.values() for one in queue):
            one.stored = True
        trimmed = copy.deepcopy(self.twin)
        trimmed.trim(self.now_s)
        self.begin_life([self.twin, trimmed])

    # --- crashes

    @rule(reboots=st.booleans())
    def crash(self, reboots: bool) -> None:
        self.runner.run(self.die())
        self.begin_life([self.twin], reboots)

    @rule(size=SIZES, turns=TURNS, reboots=st.booleans())
    def crash_while_appending(self, size: int, turns: int, reboots: bool) -> None:
        """The event in the making is there or not, but there if somebody was told that it is safe."""
        payload = self.new_payload(size)

        async def act() -> bool:
            appending = asyncio.create_task(self.spool.append(self.setup.batch(payload)))
            await turn(turns)
            told = payload in self.setup.safe
            await self.die()
            appending.cancel()
            return told

        told = self.runner.run(act())
        after = copy.deepcopy(self.twin)
        after.append(Stream.EVENTS, self.holds(payload), self.now_s)
        self.begin_life([after] if told else [self.twin, after], reboots)

    @rule(sink=SINK_NAMES, max_bytes=st.integers(1, 2000), turns=TURNS, reboots=st.booleans())
    def crash_while_taking(self, sink: str, max_bytes: int, turns: int, reboots: bool) -> None:
        """First what grew too old gives way, then a sink acknowledges; each happened whole or not at all."""
        given: list[bytes] = []

        async def take() -> None:
            entries = await self.spool.read(sink, max_bytes)
            given.extend(entry.batch.payload for entry in entries)
            await self.spool.acknowledge(sink, entries[-1].position)

        async def act() -> None:
            taking = asyncio.create_task(take())
            await turn(turns)
            await self.die()
            taking.cancel()

        self.runner.run(act())
        trimmed = copy.deepcopy(self.twin)
        trimmed.trim(self.now_s)
        taken = copy.deepcopy(trimmed)
        taken.acknowledge(sink, len(given), self.now_s)
        self.begin_life([self.twin, trimmed, taken], reboots)
        if self.twin is taken and SINKS[sink] is not AT_ONCE:
            self.delivered.update(given)

    async def die(self) -> None:
        """Whatever the old life still does after this is not seen by anybody."""
        old, self.lives = self.spool, self.lives + 1
        disk, left = old._writer._disk, self.base / str(self.lives)
        self.counted_at_death = {why: self.counted(Stream.EVENTS, why) for why in ("age", "spool_limit")}
        await disk._in_thread(lambda: shutil.copytree(self.setup.folder, left))
        await disk.close()
        old._writer._disk = None
        self.setup.folder = left

    def begin_life(self, candidates: list[Twin], reboots: bool = False) -> None:
        """The files must be what one of the candidates would have left; that one goes on."""
        peeked = self.base / "peeked"
        shutil.copytree(self.setup.folder, peeked)
        left = Left.read(peeked)
        fitting = [one for one in candidates if one.left() == left]
        assert fitting, f"{left} is none of {[one.left() for one in candidates]}"
        for reason, lines in self.counted_at_death.items():
            was_deleted = left.dropped.get((Stream.EVENTS, reason), 0) - self.dropped_before.get(
                (Stream.EVENTS, reason), 0
            )
            assert lines <= was_deleted, "told before the deletion was committed"
        self.twin, self.dropped_before, self.in_flight = fitting[0], left.dropped, {}
        self.lines_made.clear()
        self.vanished += sum(not one.stored for queue in self.twin.held.values() for one in queue)
        self.setup.counters, self.counted_at_death = Counters(), {}
        if reboots:
            self.setup.boot_id = f"boot-{self.made}-{self.lives}"

        async def begin() -> None:
            self.spool = await self.setup.opened(SINKS, LIMITS)
            await settled(self.spool)

        self.runner.run(begin())
        self.twin.begin(self.setup.boot_id, self.now_s)
        self.runner.run(self.compare_contents(peeked))
        shutil.rmtree(peeked)

    # --- what must agree

    @invariant()
    def backlogs_agree(self) -> None:
        for sink in SINKS:
            backlog, waiting = self.spool.backlog(sink), self.twin.waiting(sink)
            assert (backlog.batches, backlog.size_bytes) == (len(waiting), sum(map(len, waiting)))
        assert self.spool.state.size_bytes == self.twin.size_bytes
        assert self.twin.size_bytes <= LIMITS.max_bytes or not any(map(self.twin.oldest_free, Stream))
        assert self.spool.state.memory_bytes <= LIMITS.memory_bytes
        assert self.spool.state.failure is None

    @invariant()
    def drops_agree(self) -> None:
        """The totals, and what this life counted of them."""
        totals = {kind: account.lines for kind, account in self.spool.state.dropped.items()}
        assert totals == dict(self.twin.dropped)
        for (stream, reason), lines in totals.items():
            assert self.counted(stream, reason) == lines - self.dropped_before.get((stream, reason), 0)

    @invariant()
    def every_point_and_log_line_is_delivered_or_waits_or_was_dropped(self) -> None:
        """And none is two of these."""
        dropped = sum(one.lines for (stream, _), one in self.spool.state.dropped.items() if stream is not AT_ONCE)
        waiting = {*self.twin.waiting("carbon"), *self.twin.waiting("hub_logs")}
        assert len(self.delivered | waiting) + self.vanished + dropped == self.made_loose

    @invariant()
    def whoever_read_a_log_line_is_told_when_it_was_dropped(self) -> None:
        """Or else it would be read again, and be both dropped and delivered."""
        untold = {payload for payload in self.lines_made if payload not in self.setup.safe}
        assert untold <= set(self.twin.waiting("hub_logs"))

    def counted(self, stream: Stream, reason: str) -> float:
        return self.setup.counted("queue_dropped_lines", stream=stream.value, reason=reason)

    async def compare_contents(self, copied: Path) -> None:
        """Every payload of every sink, in order, as another life on a copy is given them: this one's stay free. None is
        acknowledged there: what is too old behind something younger would give way for the sinks that follow."""
        other = SpoolSetup(copied, self.setup.clock, boot_id=self.setup.boot_id)
        spool = await other.opened(SINKS, LIMITS)
        for sink in SINKS:
            given = await payloads(spool, sink) if spool.backlog(sink).batches else []
            assert given == self.twin.waiting(sink)
        await spool.close()


async def turn(turns: int) -> None:
    """Let the loop go round so often."""
    for _ in range(turns):
        await asyncio.sleep(0)


class LongSpoolAndTwin(SpoolAndTwin):
    """The same, for random sequences."""


TestSpoolAndTwin = pytest.mark.thorough(SpoolAndTwin.TestCase)
TestSpoolAndTwin.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)

TestLongSpoolAndTwin = pytest.mark.slow(LongSpoolAndTwin.TestCase)
TestLongSpoolAndTwin.settings = settings(
    TestSpoolAndTwin.settings, max_examples=400, stateful_step_count=60, derandomize=False, database=None
)
