"""P21: what it takes to give a line to its job from what is remembered of it: understood, looked up, merged.

Lines of the mix of `hub_load.log_lines` that name their job, one at a time, each job known from the line before.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from bench.hub_load.histories import HistoryShape, fill_at
from bench.hub_load.job_mix import JobMix
from bench.hub_load.log_lines import documents
from bench.result import Goal, Result, Row
from bench.setting import Setting
from slurmlens.hub.database.store import Store
from slurmlens.hub.logs.enriching import Enricher
from slurmlens.hub.logs.understanding import understood
from slurmlens.hub.news import News
from slurmlens.log_lines import LogLine
from slurmlens.wire.log_documents import line_of

JOBS, LINES = 200, 3_000
ROWS = (
    Row("P21", "enrichment of one line from what is remembered, p50", Goal(1_000), Goal(50), "absolute", " µs"),
    Row(
        "P21",
        "the same with the line understood before (65 kinds of lines tried)",
        Goal(1_000),
        Goal(100),
        "absolute",
        " µs",
    ),
)


def measure(setting: Setting) -> list[Result]:
    mix = JobMix(JOBS, now_s=int(time.time()) - 60)
    folder = setting.new_folder()
    enrichments, wholes = asyncio.run(_measured(folder, mix))
    note = f"p99 {statistics.quantiles(enrichments, n=100)[98]:.1f} µs of {len(enrichments)} lines"
    return [
        ROWS[0].measured(statistics.median(enrichments), note),
        ROWS[1].measured(statistics.median(wholes), f"p99 {statistics.quantiles(wholes, n=100)[98]:.1f} µs"),
    ]


async def _measured(folder: Path, mix: JobMix) -> tuple[list[float], list[float]]:
    url = f"sqlite:///{folder}/hub.sqlite3"
    await fill_at(url, HistoryShape(mix, 0.0, 0.0))
    store = await Store.open(url)
    enricher = Enricher(store, "demo", News())
    now_ns = time.time_ns()
    lines = [line_of(document, now_ns) for document in documents(mix, LINES)]
    named = [line for line in lines if understood(line).job_id is not None]
    for line in named:
        await enricher.enriched([understood(line)])
    found = [await _times_us(enricher, line) for line in named]
    await store.close()
    return [one for one, _ in found], [whole for _, whole in found]


async def _times_us(enricher: Enricher, line: LogLine) -> tuple[float, float]:
    """Of the look-up alone, and with the line understood before it."""
    begin_ns = time.perf_counter_ns()
    known = understood(line)
    middle_ns = time.perf_counter_ns()
    (enriched,) = await enricher.enriched([known])
    end_ns = time.perf_counter_ns()
    assert enriched.job is not None
    return (end_ns - middle_ns) / 1e3, (end_ns - begin_ns) / 1e3
