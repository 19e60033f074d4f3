"""P33: what explains 1,000 failed jobs among 11,000, on 1,000 nodes with 500 packages each.

Jobs of one to eight nodes, a hundred users; one node fails nine of ten of its jobs, everything else fails by chance.
Every job has its nodes, switches, user, account, partition and all packages of its nodes, in two versions each. It must
name the node.

The first row is the pure part: one process's time from the runs with what they had to the ranked causes; no two nodes
have the same set of packages there. The others are the whole question as the page asks it (`hub_load.faulty_node`): the
hub is asked over HTTP for the JSON and reads all of it from its database. On SQLite the figure is the hub's CPU time,
on PostgreSQL, which shares the machine, the wall's. The hub keeps a few of the sets of packages that it read; the first
answer, of which it had none, stands beside the median.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from typing import Any
from urllib.parse import urlencode

from bench.cpu_time import cpu_ns
from bench.hub_load import faulty_node
from bench.hub_load.faulty_node import FAILED, NODES, PACKAGES, SUCCEEDED
from bench.hub_load.histories import CLUSTER
from bench.hub_load.job_mix import DAY_S, node_name
from bench.hub_load.postgresql import BenchPostgreSql
from bench.hub_load.programs import Server, get_json, hub
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting
from slurmlens.hub.inventory.common_cause import Candidate, CommonCause, Trial, common_cause

FAULTY = "n7"
ASKED = "the whole question, over HTTP from the database"


def _row(what: str) -> Row:
    return Row("P33", what, Goal(5), Goal(1), "absolute", " s")


ROWS = (
    _row("1,000 failed jobs against 10,000 others, 1,000 nodes, 500 packages"),
    _row(f"{ASKED}, SQLite: CPU of the hub, p50"),
    _row(f"{ASKED}, PostgreSQL on the same two cores, wall, p50"),
)


def measure(setting: Setting) -> list[Result]:
    rounds = setting.choose(5, 1)
    return [_pure(rounds), _on_sqlite(setting, rounds), _on_postgresql(setting, rounds)]


def _pure(rounds: int) -> Result:
    trials = _trials(random.Random("one cause"))
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        cause = common_cause(trials)
        times.append(time.perf_counter() - began)
        _check(cause)
    return ROWS[0].measured(statistics.median(times), _said(sum(cause.tried.values())))


def _on_sqlite(setting: Setting, rounds: int) -> Result:
    folder, now_s = setting.new_folder(), int(time.time())
    asyncio.run(faulty_node.make(f"sqlite:///{folder}/hub.sqlite3", now_s))
    with hub(folder, cluster=CLUSTER) as server:
        asked = _Asked(server, now_s, rounds)
    note = f"the first {asked.cpu_s[0]:.2f} s; {statistics.median(asked.wall_s):.2f} s by the wall; {asked.said}"
    return ROWS[1].measured(statistics.median(asked.cpu_s), note)


def _on_postgresql(setting: Setting, rounds: int) -> Result:
    folder, now_s = setting.new_folder(), int(time.time())
    try:
        with BenchPostgreSql(setting.new_folder()) as database:
            asyncio.run(faulty_node.make(database.url, now_s))
            with hub(folder, database.url, cluster=CLUSTER) as server:
                asked = _Asked(server, now_s, rounds)
    except NotMeasurable as reason:
        return ROWS[2].no_figure(f"not measured: {reason}")
    note = (
        f"the first {asked.wall_s[0]:.2f} s; {statistics.median(asked.cpu_s):.2f} s of the hub's CPU time; {asked.said}"
    )
    return ROWS[2].measured(statistics.median(asked.wall_s), note)


class _Asked:
    """What the hub's answers took, each for a window of its own."""

    def __init__(self, server: Server, now_s: int, rounds: int) -> None:
        self.cpu_s: list[float] = []
        self.wall_s: list[float] = []
        for number in range(rounds):
            window = {"from": now_s - DAY_S - number, "to": now_s}
            before_ns, began = cpu_ns(server.pid), time.perf_counter()
            answer = get_json(server, f"/common-cause.json?{urlencode(window)}")
            self.wall_s.append(time.perf_counter() - began)
            self.cpu_s.append((cpu_ns(server.pid) - before_ns) / 1e9)
            self.said = _checked(answer)


def _checked(answer: dict[str, Any]) -> str:
    first = answer["causes"][0]["cause"]
    named = first["kind"], first["name"], first["is_named"]
    if (answer["failed"], answer["succeeded"]) != (FAILED, SUCCEEDED):
        raise NotMeasurable(f"it was asked of {answer['failed']} failed and {answer['succeeded']} other runs")
    if named != ("node", node_name(faulty_node.FAULTY), True):
        raise NotMeasurable(f"{named} was named first")
    return _said(sum(answer["tried"].values()))


def _said(tried: int) -> str:
    return f"{tried} candidates; the faulty node is named first"


def _check(cause: CommonCause) -> None:
    if (cause.failed, cause.causes[0].name) != (FAILED, FAULTY):
        raise NotMeasurable(f"{cause.causes[0].kind} {cause.causes[0].name} was named and not {FAULTY}")


def _trials(chance: random.Random) -> list[Trial]:
    software = {
        node: frozenset(Candidate("software", f"package{one} 1.{chance.random() < 0.1:d}") for one in range(PACKAGES))
        for node in range(NODES)
    }
    made: list[Trial] = []
    for index in range(FAILED + SUCCEEDED):
        failed = index < FAILED
        nodes = chance.sample(range(NODES), chance.choice((1, 1, 2, 4, 8)))
        if index < FAILED // 10 or FAILED <= index < FAILED + 10:
            nodes = [*{7, *nodes[1:]}]
        user = f"user{chance.randrange(100)}"
        had = {Candidate("node", f"n{node}") for node in nodes} | {
            Candidate("switch", f"s{node // 32}") for node in nodes
        }
        had |= {
            Candidate("user", user),
            Candidate("partition", f"p{index % 3}"),
            Candidate("account", f"a{index % 20}"),
        }
        sets = tuple(software[node] for node in nodes)
        own, name = frozenset(had), f"job{index % 50}"
        made.append(Trial(failed=failed, user=user, job_name=name, node_count=len(nodes), candidates=own, sets=sets))
    return made
