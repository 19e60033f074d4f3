"""P1: one call of the C reader for all fast counters of all jobs and steps, against a bare pread loop, hot.

Both read the very same open descriptors in the same process, pass by pass in turn; the loop parses nothing. What is
told is the median of the pairs' ratios by the thread's CPU time.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench.counter_reader import counter_descriptors, cpu_of, files_read, open_tree
from bench.reference_loop import reference_pass
from bench.result import Goal, NotMeasurable, Result, Row, interleave
from bench.setting import Setting

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = (
    Row(
        "P1",
        "C reader's call, all fast counters parsed / bare C `pread` loop, hot",
        Goal(1.05),
        Goal(1.03),
        "the bare C loop on the same descriptors",
    ),
)
WARM_UP = 5


def measure(setting: Setting) -> list[Result]:
    tree = setting.tree
    batch = open_tree(tree, fast_fields())
    descriptors = counter_descriptors(files_read(batch, setting.new_folder()))
    bare = reference_pass(descriptors)
    for _ in range(WARM_UP):
        batch.read()
        _check(bare)
    pairs = interleave(lambda: cpu_of(batch.read), lambda: cpu_of(bare), setting.choose(600, 150))
    for cgroup in batch.cgroups:
        cgroup.close()
    ours, reference = (statistics.median(side) / len(descriptors) / 1e3 for side in (pairs.ours, pairs.reference))
    note = f"{len(descriptors)} files of {len(batch)} jobs and steps; {ours:.3f} µs a file against {reference:.3f}"
    return [ROWS[0].measured(pairs.ratio, note)]


def fast_fields() -> frozenset[str]:
    from slurmlens.metrics import FIELDS, Tier

    return frozenset(field.name for field in FIELDS if field.tier is Tier.FAST)


def _check(bare: Callable[[], int]) -> None:
    failed = bare()
    if failed:
        raise NotMeasurable(f"the bare loop failed to read {failed} files")
