"""P4: a fast tick against a full one: what leaving `memory.stat` to the slow tier saves. Same reader, in turn, hot."""

from __future__ import annotations

import statistics

from bench.counter_reader import cpu_of, open_tree
from bench.result import Goal, Result, Row, interleave
from bench.setting import Setting

ROWS = (
    Row("P4", "fast tick (no `memory.stat`) / full tick", Goal(0.70), Goal(0.60), "the same reader reading both tiers"),
)
WARM_UP = 5


def measure(setting: Setting) -> list[Result]:
    from slurmlens.metrics import FIELDS, Tier

    batch = open_tree(setting.tree, frozenset(field.name for field in FIELDS))
    fast, full = frozenset({Tier.FAST}), frozenset({Tier.FAST, Tier.SLOW})
    for _ in range(WARM_UP):
        batch.read(full)
    pairs = interleave(
        lambda: cpu_of(lambda: batch.read(fast)), lambda: cpu_of(lambda: batch.read(full)), setting.choose(200, 50)
    )
    for cgroup in batch.cgroups:
        cgroup.close()
    ours, reference = statistics.median(pairs.ours) / 1e6, statistics.median(pairs.reference) / 1e6
    return [ROWS[0].measured(pairs.ratio, f"{ours:.2f} ms against {reference:.2f} ms for {len(batch)} jobs and steps")]
