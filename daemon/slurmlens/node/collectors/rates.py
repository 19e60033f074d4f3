"""Makes figures of samples: gauges as they are, rates from what counters grew by.

Owns what each counter was at the last round. Invariants: a rate begins with the second reading; a counter that falls
has begun anew (a driver was loaded again, an interface was made again) and makes no rate once, unless it is known to
wrap; a value that is no finite number makes no figure; what is no longer told is forgotten. Sans-IO: told the time.
Used by `collecting`.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.metrics import Kind
from slurmlens.node.collectors.look import Sample
from slurmlens.node_metrics import NODE_METRIC_BY_NAME, NodeMetric


class NodeFigure(NamedTuple):
    """One figure of one round, in its unit."""

    metric: NodeMetric
    of: str
    value: float


class Rates:
    """The counters of one collector."""

    __slots__ = ("_before", "_before_ns", "falls")

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], float] = {}
        self._before_ns = 0
        self.falls = 0
        """How often a counter began anew."""

    def figures(self, collector: str, samples: Iterable[Sample], now_ns: int) -> list[NodeFigure]:
        """Of the round at boottime `now_ns`. KeyError for a figure that is not in the table: a defect."""
        passed_s = (now_ns - self._before_ns) / NS_PER_S
        now: dict[tuple[str, str], float] = {}
        found = []
        for sample in samples:
            metric = NODE_METRIC_BY_NAME[f"{collector}.{sample.name}"]
            if not math.isfinite(sample.value):
                continue
            value: float | None = sample.value
            if metric.kind is Kind.RATE:
                key = (sample.name, sample.of)
                now[key] = sample.value
                value = self._rate(self._before.get(key), sample, passed_s)
            if value is not None:
                found.append(NodeFigure(metric, sample.of, value * metric.scale))
        self._before, self._before_ns = now, now_ns
        return found

    def _rate(self, before: float | None, sample: Sample, passed_s: float) -> float | None:
        if before is None or passed_s <= 0:
            return None
        grown = sample.value - before
        if grown < 0 and sample.wraps_at and grown + sample.wraps_at <= sample.wraps_at / 2:
            grown += sample.wraps_at  # what seems to have gone half round or more has begun anew instead
        if grown < 0:
            self.falls += 1
            return None
        return grown / passed_s
