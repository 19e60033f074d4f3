"""What so many nodes cost a hub, by their number and by where it keeps what it knows: the table of docs/sizing.md.

    python -m bench.sizing --output docs/sizing.md

Each case is a hub of its own and simulated nodes (`hub_load.simulated_nodes`: the product's encoder, a token, a kept
connection a node, clocks that differ), each with one job after the other. CPU is the hub's process alone (and, beside
it, PostgreSQL's); disk is what the database has grown by, extrapolated to a day of the same load; lost are events of
jobs that nodes were answered for and the database has not. Not a case of `make bench`: it takes ten minutes.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.hub_load.postgresql import BenchPostgreSql
from bench.hub_load.programs import hub, load
from bench.result import NotMeasurable

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
CASES = (
    ("SQLite", 1_000),
    ("PostgreSQL", 1_000),
    ("SQLite", 2_000),
    ("SQLite", 5_000),
    ("SQLite", 10_000),
    ("PostgreSQL", 5_000),
    ("PostgreSQL", 10_000),
)
SECONDS, JOBS_PER_NODE_HOUR, SKEW_S = 75, 60, 0.5
SETTLED_WITHIN_S = 60.0
DAY_S = 86_400
COUNT = "SELECT count(*) FROM events"
HEADS = (
    "database | nodes | jobs/s | lines/s | turned away | lost | answer p50 / p99"
    " | hub's cores | hub's RSS | disk a node and day"
)


@dataclass(frozen=True)
class Measured:
    """One row."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"| {' | '.join(self.words)} |"


def measure(database: str, nodes: int, seconds: int, folder: Path) -> Measured:
    """One case, in a folder of its own."""
    with ExitStack() as stack:
        server = stack.enter_context(BenchPostgreSql(folder)) if database == "PostgreSQL" else None
        url = server.url if server else None
        running = stack.enter_context(hub(folder, url))
        stored = _counter(folder, url)
        before_bytes = _disk_bytes(folder)
        options = ["--nodes", str(nodes), "--seconds", str(seconds), "--skew-s", str(SKEW_S)]
        loaded = load(running, folder, *options, "--jobs-per-node-hour", str(JOBS_PER_NODE_HOUR))
        saw = loaded.nodes_saw
        lost = max(0, saw["job_lines"] - _settled(stored, saw["job_lines"]))
        grown_bytes = _disk_bytes(folder) - before_bytes
    return Measured(
        (
            database,
            f"{nodes:,}",
            f"{nodes * JOBS_PER_NODE_HOUR / 3600:.0f}",
            f"{saw['lines'] / loaded.wall_s:.0f}",
            str(loaded.turned_away),
            str(lost),
            f"{saw['delay_p50_s'] * 1e3:.0f} / {saw['delay_p99_s'] * 1e3:.0f} ms",
            f"{loaded.core_share:.2f}",
            f"{loaded.resident_bytes / 2**20:.0f} MiB",
            f"{grown_bytes / nodes / seconds * DAY_S / 2**20:.1f} MiB",
        )
    )


def _counter(folder: Path, url: str | None) -> Callable[[], int]:
    def in_sqlite() -> int:
        with sqlite3.connect(f"file:{folder}/hub.sqlite3?mode=ro", uri=True) as connection:
            return int(connection.execute(COUNT).fetchone()[0])

    def in_postgresql() -> int:
        import psycopg

        with psycopg.connect(url or "") as connection:
            return int((connection.execute(COUNT).fetchone() or (0,))[0])

    return in_postgresql if url else in_sqlite


def _settled(stored: Callable[[], int], expected: int) -> int:
    """How many are stored when all are, or in the end."""
    deadline_s = time.monotonic() + SETTLED_WITHIN_S
    while (count := stored()) < expected and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return count


def _disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def write(path: Path, rows: list[str], machine: str) -> None:
    """Puts the table between its marks."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    heads = HEADS.split(" | ")
    table = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *rows]
    path.write_text(f"{before}{BEGIN}\n{machine}\n\n" + "\n".join(table) + f"\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="a page with the table's marks")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--most-nodes", type=int, default=10_000, help="leave larger cases out")
    options = parser.parse_args()
    rows = []
    for database, nodes in (case for case in CASES if case[1] <= options.most_nodes):
        with tempfile.TemporaryDirectory(prefix="bench-sizing-") as folder:
            try:
                row = str(measure(database, nodes, options.seconds, Path(folder)))
            except NotMeasurable as reason:
                row = f"| {database} | {nodes:,} | not measured: {reason} |"
        print(row, flush=True)
        rows.append(row)
    if options.output:
        load_average = Path("/proc/loadavg").read_text().split()[0]
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        write(
            options.output,
            rows,
            f"{when}, two cores shared by hub, database and simulation, load average {load_average} at the end.",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
