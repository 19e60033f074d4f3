"""P33: what explains 1,000 failed jobs among 11,000, on 1,000 nodes with 500 packages each.

Jobs of one to eight nodes, some hundred users; one node fails nine of ten of its jobs, everything else fails by chance.
Every job has its nodes, switches, user, account, partition and all packages of its nodes, in two versions each; no two
nodes have the same set of packages. It must name the node. The time is one process's, from the runs with what they had
to the ranked causes; reading them is not in it, so that it is the same on both databases.
"""

from __future__ import annotations

import random
import time

from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting
from slurmlens.hub.inventory.common_cause import Candidate, CommonCause, Trial, common_cause

FAILED, SUCCEEDED, NODES, PACKAGES = 1_000, 10_000, 1_000, 500
FAULTY = "n7"
ROW = Row(
    "P33", "1,000 failed jobs against 10,000 others, 1,000 nodes, 500 packages", Goal(5), Goal(1), "absolute", " s"
)


def measure(setting: Setting) -> list[Result]:
    trials = _trials(random.Random("one cause"))
    times = []
    for _ in range(setting.choose(5, 1)):
        began = time.perf_counter()
        cause = common_cause(trials)
        times.append(time.perf_counter() - began)
        _check(cause)
    tried = sum(cause.tried.values())
    return [ROW.measured(sorted(times)[len(times) // 2], f"{tried} candidates; the faulty node is named first")]


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
