"""P29: searching ten million log lines in SQLite: by job, a text within a day, and the course of the day; p50.

The lines are of one day (`hub_load.log_lines.kept_lines`). Answers must not be remembered: every question is another.
What filling the store took, and what this process had written to disks for a line, stands in the note of each row: the
whole run's, and the last tenth's, which says whether a line costs more as the day grows. `p29_search_server` asks a
search server the same.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice

from bench.disk_writes import write_bytes
from bench.hub_load.log_lines import WORDS, kept_lines
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting
from slurmlens.clock import SystemClock
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.logs.query import LogQuery
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.logs.store import Lines, LogStore, LogStoreError

QUESTIONS = 15
SENDERS = 8
"""So many post at once, as the nodes of a cluster do."""
DAY_NS = 86_400 * 10**9
BAR_NS = 900 * 10**9
MOST_TRIES = 60
RETRY_S = 1.0


def rows(store: str) -> tuple[Row, ...]:
    """What is measured of a store."""
    goals = Goal(1_000, "< 1000"), Goal(200, "< 200")
    return tuple(
        Row("P29", f"{what}, p50, {store}", *goals, "absolute", " ms")
        for what in ("search by job", "search of text within a day", "course of a day")
    )


ROWS = rows("SQLite")


def measure(setting: Setting) -> list[Result]:
    folder, count = setting.new_folder(), setting.choose(10_000_000, 100_000)
    return asyncio.run(asked(lambda: SqliteLogStore(folder, 3, SystemClock()), count, ROWS))


async def asked(make: Callable[[], LogStore], count: int, rows: tuple[Row, ...]) -> list[Result]:
    """Fills a store with so many lines and asks it."""
    store, until_ns = make(), time.time_ns() // BAR_NS * BAR_NS
    filled = await _filled(store, count, until_ns)
    await asyncio.sleep(2.0)  # a search server finds what it keeps a second later
    since_ns = until_ns - DAY_NS
    questions = (
        lambda number: store.search(EVERYBODY, LogQuery(job_id=1_000 + number)),
        lambda number: store.search(
            EVERYBODY, LogQuery(text=f"{WORDS[number]} {WORDS[number + 9]}", since_ns=since_ns, until_ns=until_ns)
        ),
        lambda number: store.histogram(EVERYBODY, LogQuery(until_ns=until_ns - number), since_ns, BAR_NS),
    )
    results = []
    for row, ask in zip(rows, questions, strict=True):
        times_ms = [await _time_ms(ask, number) for number in range(QUESTIONS)]
        results.append(row.measured(statistics.median(times_ms), f"{filled}; longest answer {max(times_ms):.0f} ms"))
    await store.close()
    return results


async def _filled(store: LogStore, count: int, until_ns: int) -> str:
    """Fills the store; says how fast, and what it wrote."""
    began_s, before, last_tenth, done = time.monotonic(), write_bytes(os.getpid()), 0, 0
    for posted in _several(kept_lines(count, until_ns), SENDERS):
        await asyncio.gather(*(_kept(store, lines) for lines in posted))
        done += sum(map(len, posted))
        if not last_tenth and done >= count * 9 // 10:
            last_tenth = write_bytes(os.getpid())
    rate = count / (time.monotonic() - began_s)
    a_line, at_the_end = (
        (write_bytes(os.getpid()) - before) / count,
        (write_bytes(os.getpid()) - last_tenth) / (count / 10),
    )
    return (
        f"{count} lines, kept at {rate:.0f} a second; this process wrote {a_line / 1024:.1f} KiB a line, "
        f"of the last tenth {at_the_end / 1024:.1f}"
    )


def _several(all_lines: Iterator[Lines], size: int) -> Iterator[list[Lines]]:
    """Several posts of lines at a time."""
    while posted := list(islice(all_lines, size)):
        yield posted


async def _kept(store: LogStore, lines: Lines) -> None:
    """As senders do: what the store cannot take now (a search server answers 429) is sent again."""
    for _ in range(MOST_TRIES):
        try:
            await store.append(lines)
        except LogStoreError:
            await asyncio.sleep(RETRY_S)
        else:
            return
    raise NotMeasurable(f"the store took nothing for {MOST_TRIES * RETRY_S:.0f} s")


async def _time_ms(ask: Callable[[int], Awaitable[object]], number: int) -> float:
    begin_s = time.perf_counter()
    await ask(number)
    return (time.perf_counter() - begin_s) * 1e3
