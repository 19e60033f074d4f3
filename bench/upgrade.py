"""UPGRADE: how long the upgrade of a hub's database of 10,000 jobs takes, and whether it shows the same afterwards.

The jobs are those of a database that the code of schema version 3 wrote (tests/fixtures/hub), each there some two
hundred times under other ids: steps, requeues, held sightings, lost ends and profiles among them. Afterwards rows of
runs and sightings are compared one by one with those of before, and the pages of copies with the page of the job that
they are copies of. What a plain copy of the file takes stands beside.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.result import Goal, Result, Row
from bench.setting import Setting
from slurmlens.clock import Moment
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.history.record.node_beats import NodeBeats
from slurmlens.hub.views.job.build import build_job_view

FIXTURE = Path(__file__).parents[1] / "tests" / "fixtures" / "hub" / "hub-version-3.sqlite3.gz"
JOBS = 10_000
APART = 1_000_000
"""Between the ids of a job and of its next copy."""
ROWS = (
    Row(
        "UPGRADE", f"a database of schema version 3 with {JOBS} jobs: upgraded after", Goal(60), Goal(10), "none", " s"
    ),
)
_COPIED = ("events", "sightings", "executions", "runs", "run_nodes")
_SAME_COLUMNS = {
    "runs": ("submit_s", "state", "state_group", "name", "user", "account", "order_ns", "start_ns", "end_ns", "cpu_s"),
    "sightings": ("boot_id", "start_ns", "end_ns", "summary_id", "samples", "cpu_s", "memory_peak_bytes", "closed_ns"),
}
_KEYS = {"runs": ("job_id", "number"), "sightings": ("node", "sighting")}


def measure(setting: Setting) -> list[Result]:
    folder = setting.new_folder()
    before, path = folder / "before.sqlite3", folder / "hub.sqlite3"
    jobs = _make(before, setting.choose(JOBS, JOBS))
    began_s = time.monotonic()
    shutil.copyfile(before, path)
    copied_s = time.monotonic() - began_s
    began_s, cpu_s = time.monotonic(), time.process_time()
    asyncio.run(_opened(path))
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    different = sum(1 for _ in _different_rows(before, path))
    compared, unlike = asyncio.run(_unlike_pages(path, jobs))
    note = (
        f"{jobs} jobs, {before.stat().st_size / 2**20:.0f} MiB before and {path.stat().st_size / 2**20:.0f} MiB after,"
        f" {cpu_s:.1f} s of CPU time; a copy of the file {copied_s:.2f} s; rows of runs and sightings that differ:"
        f" {different}; pages that differ: {unlike} of {compared}"
    )
    return [ROWS[0].measured(took_s, note)]


async def _opened(path: Path) -> None:
    await (await Store.open(f"sqlite:///{path}")).close()


def _make(path: Path, jobs: int) -> int:
    """The recorded database, its jobs as often as it takes to have so many; how many they are."""
    path.write_bytes(gzip.decompress(FIXTURE.read_bytes()))
    with sqlite3.connect(path) as connection:
        (own,) = connection.execute("SELECT count(DISTINCT job_id) FROM runs").fetchone()
        for table in _COPIED:
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
            marks = ", ".join("?" * len(names))
            for copy in range(1, -(-jobs // own)):
                made = (tuple(_copied(row, copy).values()) for row in rows)
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", made)
    connection.close()
    return own * -(-jobs // own)


def _copied(row: dict[str, Any], copy: int) -> dict[str, Any]:
    """A row of another job that is like this one."""
    made = row | {"job_id": row["job_id"] + copy * APART}
    for name in ("id", "sighting", "summary_id"):
        if made.get(name) is not None:
            made[name] = f"{made[name]}-c{copy}"
    for name in ("body", "record"):
        if made.get(name) is not None:
            made[name] = json.dumps(_renamed(json.loads(made[name]), copy), separators=(",", ":")).encode()
    return made


def _renamed(document: Any, copy: int) -> Any:
    if isinstance(document, list):
        return [_renamed(one, copy) for one in document]
    if not isinstance(document, dict):
        return document
    made = {name: _renamed(value, copy) for name, value in document.items()}
    if isinstance(made.get("job_id"), int):
        made["job_id"] += copy * APART
    if "kind" in made and "sighting" in made:
        made |= {"id": f"{made['id']}-c{copy}", "sighting": f"{made['sighting']}-c{copy}"}
    return made


def _different_rows(before: Path, after: Path) -> Iterator[tuple[Any, ...]]:
    """Rows that are in one of the two databases alone."""
    for table, columns in _SAME_COLUMNS.items():
        names = ", ".join(f'"{name}"' for name in (*_KEYS[table], *columns))
        found = []
        for path in (before, after):
            with sqlite3.connect(path) as connection:
                found.append(set(connection.execute(f"SELECT {names} FROM {table}")))
            connection.close()
        yield from found[0] ^ found[1]


class _StillClock:
    """Pages are made at one moment."""

    def wall_ns(self) -> int:
        return 1_795_500_000 * 10**9

    def monotonic_ns(self) -> int:
        return 10**15

    def boottime_ns(self) -> int:
        return 10**15

    def moment(self) -> Moment:
        return Moment(self.wall_ns(), self.boottime_ns())


async def _unlike_pages(path: Path, jobs: int) -> tuple[int, int]:
    """How many pages of copies were compared with their original's, and how many differ."""
    store = await Store.open(f"sqlite:///{path}")
    queries = Queries(store, NodeBeats(), _StillClock(), "demo")
    with sqlite3.connect(path) as connection:
        ids = [row[0] for row in connection.execute("SELECT DISTINCT job_id FROM runs WHERE job_id < ?", (APART,))]
    connection.close()
    last = jobs // len(ids) - 1
    compared = unlike = 0
    try:
        for job_id in ids:
            original = await _page(queries, job_id, 0)
            for copy in {1, last // 2, last}:
                compared += 1
                unlike += await _page(queries, job_id, copy) != original
    finally:
        await store.close()
    return compared, unlike


async def _page(queries: Queries, job_id: int, copy: int) -> str:
    """The view as JSON, in the original's ids."""
    facts = await queries.job_facts(EVERYBODY, job_id + copy * APART)
    if facts is None:
        return ""
    text = msgspec.json.encode(build_job_view(facts)).decode()
    return text.replace(f"-c{copy}", "").replace(str(job_id + copy * APART), str(job_id)) if copy else text
