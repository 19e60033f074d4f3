"""A node that computes otherwise than the other nodes of its job. Pure.

Busy cores as a share of the node's, interval by interval. Of seven nodes and more each is held against the others by
leave-one-out, with the cut that one of a hundred sound jobs of that size passes. Of three to six the spread of so few
says nothing: pooled noise of earlier jobs takes its place, with the normal cut, corrected for the number of nodes, and
the median of all, which one bad node of three does not move. The spread has a floor, for equal ranks have none. It must
hold, on the same side, in six of the last eight intervals. A program can share its work unevenly by itself: a node that
was as far from its siblings before (or nobody saw it before) is a claim below the line, which folding lifts with the
third job in which the node is odd; a node that became so while the job ran is shown at once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from statistics import NormalDist, fmean, median
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import NodeLoad, Observed, RunLoad
from slurmlens.hub.inventory.entities import Entity
from slurmlens.shown import format as fmt

INTERVALS, HELD_IN = 8, 6
LEAST_NODES, LEAST_FOR_LEAVE_ONE_OUT = 3, 7
FLOOR = 0.02
LEAST_APART = 0.15
"""Of the node's cores: what is nearer to its siblings is nothing that an operator acts on."""
DEFAULT_NOISE = 0.05
METRIC = "cpu_share"
_CUTS = ((7, 6.5), (8, 5.8), (12, 4.7), (16, 4.3), (32, 4.0), (10**9, 4.1))
"""Leave-one-out: the value that one of a hundred sound jobs of so many nodes passes (drawn, 20,000 draws a row)."""
_BECAME_ODD, _ALWAYS_ODD = 2.0, 0.2
LEAST_BEFORE = 5
"""Intervals before those that are looked at, by which it is known how the node was."""


class Outlier(NamedTuple):
    """How far a node is from the others in one interval, in units of the cut; positive above them."""

    node: str
    excess: float
    share: float
    others: float


def odd_nodes(observed: Observed) -> Iterator[Claim]:
    """One claim for each node that persists in being otherwise."""
    noise = observed.noise.get(METRIC, DEFAULT_NOISE)
    for load in observed.loads:
        if len(load.nodes) >= LEAST_NODES:
            yield from _odd_in(load, noise)


def _odd_in(load: RunLoad, noise: float) -> Iterator[Claim]:
    count = min(len(node.cpu) for node in load.nodes)
    held: dict[str, list[Outlier]] = {}
    looked_at = range(max(0, count - INTERVALS), count)
    for place in looked_at:
        for outlier in outliers(_shares(load.nodes, place), noise):
            held.setdefault(outlier.node, []).append(outlier)
    for own in held.values():
        below = [one for one in own if one.excess < 0]
        above = [one for one in own if one.excess > 0]
        for side in (below, above):
            if len(side) >= HELD_IN:
                yield _claim(load, side, len(looked_at))


def _shares(nodes: Sequence[NodeLoad], place: int) -> dict[str, float]:
    found = {}
    for node in nodes:
        value = node.cpu[place]
        if value is not None and node.cores:
            found[node.node] = value / node.cores
    return found


def outliers(shares: dict[str, float], noise: float) -> Iterator[Outlier]:
    """Nodes beyond the cut in one interval."""
    if len(shares) < LEAST_NODES:
        return
    middle, sums = median(shares.values()), _Sums.of(shares.values())
    for node, share in shares.items():
        if abs(share - middle) < LEAST_APART:
            continue
        spread, cut = _spread_and_cut(sums, share, middle, noise)
        value = (share - middle) / spread
        if abs(value) > cut:
            yield Outlier(node, value / cut, share, middle)


class _Sums(NamedTuple):
    """Number, sum and sum of squares: the spread of all but one in a few operations, however many there are."""

    size: int
    total: float
    squares: float

    @classmethod
    def of(cls, values: Collection[float]) -> _Sums:
        return cls(len(values), sum(values), sum(value * value for value in values))

    def spread_without(self, value: float) -> float:
        """Standard deviation of the others."""
        others, total = self.size - 1, self.total - value
        variance = (self.squares - value * value - total * total / others) / (others - 1)
        return math.sqrt(max(0.0, variance))


def _spread_and_cut(sums: _Sums, share: float, middle: float, noise: float) -> tuple[float, float]:
    floor = max(FLOOR * middle, 0.01)
    of_one = math.sqrt(1 + 1 / (sums.size - 1))
    if sums.size < LEAST_FOR_LEAVE_ONE_OUT:
        return max(noise * max(middle, 0.1), floor) * of_one, NormalDist().inv_cdf(1 - 0.005 / sums.size)
    return max(sums.spread_without(share), floor) * of_one, leave_one_out_cut(sums.size)


def leave_one_out_cut(count: int) -> float:
    """Between the rows of the table linearly in 1/n."""
    for (n, cut), (next_n, next_cut) in pairwise(_CUTS):
        if count <= n:
            return cut
        if count < next_n:
            part = (1 / n - 1 / count) / (1 / n - 1 / next_n)
            return cut + part * (next_cut - cut)
    return _CUTS[-1][1]


def pooled_noise(loads: Sequence[RunLoad]) -> float | None:
    """The usual relative spread among nodes of one job: the median over jobs and intervals; None of too few."""
    found = []
    for load in loads:
        count = min((len(node.cpu) for node in load.nodes), default=0)
        for place in range(max(0, count - INTERVALS), count):
            shares = list(_shares(load.nodes, place).values())
            if len(shares) >= LEAST_NODES and (middle := median(shares)) > 0.1:
                found.append(median(abs(share - middle) for share in shares) * 1.4826 / middle)
    return max(median(found), FLOOR) if len(found) >= 2 * INTERVALS else None


def _became_odd(load: RunLoad, node: str, apart: float, intervals: int) -> bool:
    """Whether the node was nearer to the others, by half and by what matters, before the intervals looked at."""
    count = min(len(one.cpu) for one in load.nodes) - intervals
    before = []
    for place in range(max(0, count - 4 * INTERVALS), count):
        shares = _shares(load.nodes, place)
        if node in shares and len(shares) >= LEAST_NODES:
            before.append(shares[node] - median(shares.values()))
    if len(before) < LEAST_BEFORE:
        return False
    then = median(before)
    return abs(then) < abs(apart) / 2 and abs(apart - then) >= LEAST_APART


def _claim(load: RunLoad, side: Sequence[Outlier], intervals: int) -> Claim:
    run, node = load.run, side[0].node
    share, others = fmean(one.share for one in side), fmean(one.others for one in side)
    excess = median(abs(one.excess) for one in side)
    became = _became_odd(load, node, share - others, intervals)
    how = "less" if share < others else "more"
    end_ns = load.start_ns + round(min(len(one.cpu) for one in load.nodes) * load.width_s * NS_PER_S)
    return Claim(
        kind=FindingKind.ODD_NODE,
        subject=Entity("node", node),
        detail=f"computes {how}",
        score=round(min(_BECAME_ODD + math.log10(excess) * 2, 6.0), 2) if became else _ALWAYS_ODD,
        p=0.01,
        basis=f"{excess:.1f} times the cut that 1 of 100 sound jobs of {len(load.nodes)} nodes passes,"
        f" in {len(side)} of {intervals} intervals of {fmt.duration(load.width_s)}; "
        + ("before it was like them" if became else "as it was before in this job, as far as that was seen"),
        from_ns=end_ns - round(intervals * load.width_s * NS_PER_S),
        to_ns=end_ns,
        jobs=(run.job_id,),
        runs=(run.number,),
        entities=(Entity("job", str(run.job_id)),),
        sentence=f"{node} computes {how} than the other nodes of job {run.job_id}: {fmt.percent(share)} of its cores"
        f" against {fmt.percent(others)}.",
        hint=f"{node} computes {how} than the other nodes of a job that it is part of.",
        values={"node": node, "job": run.job_id, "share": round(share, 3), "others": round(others, 3)},
    )
