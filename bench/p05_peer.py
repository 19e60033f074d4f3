"""P5: CPU per emitted metric against Debian's collectd on the same jobs, each at 1 Hz to a carbon of its own kind.

A metric is a line that reached carbon. The hub's profile is work collectd does not do; what it delivers is told in
the note and not counted. The daemon has 64 slots here (the most there can be), so 63 jobs and the sum of the rest
have series.
"""

from __future__ import annotations

import statistics

from bench.result import Goal, NotMeasurable, Pairs, Result, Row
from bench.setting import Setting
from bench.steady_state import MANY_SLOTS, Window, campaign

ROWS = (
    Row(
        "P5",
        "CPU per emitted metric / collectd `cgroups` + `write_graphite`",
        Goal(1 / 5, "≤ 1/5"),
        Goal(1 / 8, "≤ 1/8"),
        "collectd from Debian's package on the same jobs",
    ),
)


def measure(setting: Setting) -> list[Result]:
    runs = campaign(setting)
    if not runs.collectd:
        raise NotMeasurable(runs.collectd_missing)
    if not all(window.carbon_points for window in (*runs.many_slots, *runs.collectd)):
        raise NotMeasurable("no metric reached carbon")
    pairs = Pairs(_per_metric(runs.many_slots), _per_metric(runs.collectd))
    ours, theirs = statistics.median(pairs.ours), statistics.median(pairs.reference)
    window = runs.many_slots[0]
    often = f"{window.carbon_points / window.seconds:.0f} metrics a second with {MANY_SLOTS} slots"
    collectd_often = f"{runs.collectd[0].carbon_points / runs.collectd[0].seconds:.0f}"
    note = f"{ours:.1f} µs against {theirs:.1f} µs; {often}, collectd {collectd_often}"
    return [ROWS[0].measured(pairs.ratio, note)]


def _per_metric(windows: tuple[Window, ...]) -> tuple[float, ...]:
    return tuple(window.cpu_us / window.carbon_points for window in windows)
