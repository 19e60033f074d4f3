"""What so many nodes cost a hub, by their number and by where it keeps what it knows: the table of docs/sizing.md.

    python -m bench.sizing --output docs/sizing.md
    python -m bench.sizing --case WHOLE:10000 --seconds 240 --output docs/sizing.md

`WHOLE` is two hubs on one PostgreSQL that read Kafka and keep log lines in OpenSearch: every second node's events come
by Kafka, each node has a log line a second, the load rises and falls once as in a day, and one node in a hundred fails
for a third of the time. With `--case` only these rows are made anew.

Each case is a hub of its own and simulated nodes (`hub_load.simulated_nodes`: the product's encoder, a token, a kept
connection a node, clocks that differ), each with one job after the other. CPU is the hub's process alone (and, beside
it, PostgreSQL's); disk is what the database has grown by, extrapolated to a day of the same load; lost are events of
jobs that nodes were answered for and the database has not. Not a case of `make bench`: it takes ten minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from deploy.component import start_and_wait
from deploy.components.kafka import Kafka
from deploy.components.opensearch import OpenSearch
from deploy.errors import ComponentFailed, MachineLacks
from deploy.sandbox import Sandbox

from bench.hub_load.kafka_road import TOPIC, make_topic
from bench.hub_load.postgresql import BenchPostgreSql
from bench.hub_load.programs import Loaded, hub, load
from bench.result import NotMeasurable
from deploy import json_client

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
WHOLE = "WHOLE"
WHOLE_HUBS = 2
FAILING_SHARE = 0.01
LINES_A_BEAT = 10
SECONDS, JOBS_PER_NODE_HOUR, SKEW_S = 75, 60, 0.5
EVENTS_A_JOB = 3
START_MAX_S = 180.0
FURTHER = """
[logs]
store = "opensearch"
[logs.opensearch]
url = "{search}"
[kafka]
bootstrap = ["{bootstrap}"]
topic = "{topic}"
"""
SETTLED_WITHIN_S = 60.0
DAY_S = 86_400
COUNT = "SELECT count(*) FROM events"
HEADS = (
    "case | nodes | jobs/s | lines/s | turned away | lost | answer p50 / p99"
    " | hub's cores | hub's RSS | disk a node and day"
)


@dataclass(frozen=True)
class Measured:
    """One row."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"| {' | '.join(self.words)} |"


def measure(case: str, nodes: int, seconds: int, folder: Path) -> Measured:
    """One case, in a folder of its own."""
    if case == WHOLE:
        return _measured_whole(nodes, seconds, folder)
    with ExitStack() as stack:
        server = stack.enter_context(BenchPostgreSql(folder)) if case == "PostgreSQL" else None
        url = server.url if server else None
        running = stack.enter_context(hub(folder, url))
        stored = _counter(folder, url)
        before_bytes = _disk_bytes(folder)
        loaded = load(running, folder, *_options(nodes, seconds))
        lost = _lost(stored, loaded.nodes_saw["job_lines"])
        grown_bytes = _disk_bytes(folder) - before_bytes
    return _row(case, nodes, seconds, loaded, lost, grown_bytes)


def _measured_whole(nodes: int, seconds: int, folder: Path) -> Measured:
    with ExitStack() as stack:
        server = stack.enter_context(BenchPostgreSql(folder))
        try:
            sandbox = stack.enter_context(Sandbox())
            brokers, search = Kafka(sandbox), OpenSearch(sandbox)
            for component in (brokers, search):
                stack.callback(component.stop)
                start_and_wait(component, START_MAX_S)
        except (MachineLacks, ComponentFailed) as error:
            raise NotMeasurable(str(error)) from error
        asyncio.run(make_topic(brokers.bootstrap, 2 * WHOLE_HUBS))
        further = FURTHER.format(search=search.url, bootstrap=brokers.bootstrap, topic=TOPIC)
        hubs = []
        for number in range(WHOLE_HUBS):
            own = folder / f"hub{number}"
            own.mkdir()
            hubs.append(stack.enter_context(hub(own, server.url, shared=True, further=further)))
        before_bytes = _disk_bytes(folder)
        options = [*_options(nodes, seconds), "--day-s", str(seconds), "--failing-share", str(FAILING_SHARE)]
        options += ["--lines-a-beat", str(LINES_A_BEAT), "--kafka", brokers.bootstrap]
        loaded = load(hubs, folder / "hub0", *options)
        lost = _lost(_counter(folder, server.url), loaded.nodes_saw["job_lines"])
        lost += _lost(lambda: _log_lines(search.url), loaded.nodes_saw["log_lines"])
        grown_bytes = _disk_bytes(folder) - before_bytes + _disk_bytes(search.folder)
    case = f"{WHOLE_HUBS} hubs, PostgreSQL, Kafka, OpenSearch"
    return _row(case, nodes, seconds, loaded, lost, grown_bytes)


def _options(nodes: int, seconds: int) -> list[str]:
    options = ["--nodes", str(nodes), "--seconds", str(seconds), "--skew-s", str(SKEW_S)]
    return [*options, "--jobs-per-node-hour", str(JOBS_PER_NODE_HOUR)]


def _row(case: str, nodes: int, seconds: int, loaded: Loaded, lost: int, grown_bytes: int) -> Measured:
    saw = loaded.nodes_saw
    lines = saw["lines"] + saw["log_lines"]
    return Measured(
        (
            case,
            f"{nodes:,}",
            f"{saw['job_lines'] / EVENTS_A_JOB / loaded.wall_s:.0f}",
            f"{lines / loaded.wall_s:.0f}",
            str(loaded.turned_away),
            str(lost),
            f"{saw['delay_p50_s'] * 1e3:.0f} / {saw['delay_p99_s'] * 1e3:.0f} ms",
            f"{loaded.core_share:.2f}",
            f"{loaded.resident_bytes / 2**20:.0f} MiB",
            f"{grown_bytes / nodes / seconds * DAY_S / 2**20:.1f} MiB",
        )
    )


def _lost(stored: Callable[[], int], expected: int) -> int:
    return max(0, expected - _settled(stored, expected))


def _log_lines(url: str) -> int:
    """How many lines the search server finds."""
    return int(json_client.get(f"{url}/slurmlens-logs-*/_count").get("count", 0))


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


def write(path: Path, rows: list[str], machine: str, *, anew: bool) -> None:
    """Puts the table between its marks; unless all is `anew`, rows of other cases stay, each with when it was made."""
    before, _, rest = path.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    heads = HEADS.split(" | ")
    made = {_case_of(row) for row in rows}
    table = [line for line in old.splitlines() if line.startswith("| ")][1:]
    kept = [] if anew else [row for row in table if _case_of(row) not in made]
    said = [] if anew else [line for line in old.splitlines() if line and not line.startswith("|")]
    head = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    paragraphs = "\n\n".join([*said, machine])
    path.write_text(f"{before}{BEGIN}\n{paragraphs}\n\n" + "\n".join([*head, *kept, *rows]) + f"\n{END}{after}")


def _case_of(row: str) -> tuple[str, ...]:
    return tuple(row.split(" | ")[:2])


def _case(text: str) -> tuple[str, int]:
    name, _, nodes = text.partition(":")
    if name not in (WHOLE, *(case for case, _ in CASES)) or not nodes.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: say SQLite:5000, PostgreSQL:5000 or WHOLE:10000")
    return name, int(nodes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="a page with the table's marks")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--most-nodes", type=int, default=10_000, help="leave larger cases out")
    parser.add_argument("--case", type=_case, action="append", metavar="NAME:NODES", help="these cases alone")
    options = parser.parse_args()
    rows = []
    for case, nodes in options.case or [case for case in CASES if case[1] <= options.most_nodes]:
        with tempfile.TemporaryDirectory(prefix="bench-sizing-") as folder:
            try:
                row = str(measure(case, nodes, options.seconds, Path(folder)))
            except NotMeasurable as reason:
                row = f"| {case} | {nodes:,} | not measured: {reason} |"
        print(row, flush=True)
        rows.append(row)
    if options.output:
        load_average = Path("/proc/loadavg").read_text().split()[0]
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        which = f"{', '.join(f'{case} with {nodes:,}' for case, nodes in options.case)}: " if options.case else ""
        words = (
            f"{which}{when}, two cores shared by hub, database and simulation, load average {load_average} at the end."
        )
        write(options.output, rows, words, anew=not options.case)
    return 0


if __name__ == "__main__":
    sys.exit(main())
