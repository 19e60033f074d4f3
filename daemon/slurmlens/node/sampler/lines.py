"""Carbon lines of all running jobs: those with a slot by themselves, the others summed.

Owns the series' names and when a job has said its last: a job that is gone makes one more point, with what it used in
its last, partial interval and with the rest its parent had on record, and is silent from then on. Fed by `engine`;
feeds the metrics stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.metrics import Kind, Tier
from slurmlens.node.sampler.points import METRICS_OF_TIER, JobsPoints, Lines, SlotSeries, summed
from slurmlens.node.sampler.watched import Watched
from slurmlens.wire.carbon import SeriesBlock, slot_prefix

Row = list[float | None]


class Standing:
    """All sightings of a moment, by how their points leave; made anew when one of them comes, goes or changes."""

    def __init__(self, sightings: Iterable[Watched]) -> None:
        every = list(sightings)
        self.gone = [watched for watched in every if watched.is_gone]
        living = [watched for watched in every if not watched.is_gone]
        self._in_slots = [watched for watched in living if watched.slot is not None]
        self._slots = [watched.slot for watched in living if watched.slot is not None]
        self._slotless = [watched for watched in living if watched.slot is None]
        self._points: dict[tuple[Tier, bool], JobsPoints] = {}
        self._masks: dict[Tier, list[int]] = {}
        self._block: dict[Tier, SeriesBlock] = {}

    def in_slots(self, tier: Tier) -> JobsPoints:
        """The points of the jobs with a slot."""
        return self._points_of(self._in_slots, tier, node=True)

    def slotless(self, tier: Tier) -> JobsPoints | None:
        """The points of the others, None where there are none; the node's pressure is not theirs to sum up."""
        return self._points_of(self._slotless, tier, node=False) if self._slotless else None

    def block(self, tier: Tier, masks: list[int], series: Sequence[SlotSeries]) -> SeriesBlock:
        """The series of all jobs with a slot, of each those in its mask; `series` is of each slot."""
        if self._masks.get(tier) != masks:
            blocks = [series[slot].block(tier, mask) for slot, mask in zip(self._slots, masks, strict=True)]
            self._masks[tier], self._block[tier] = masks, SeriesBlock.joined(blocks)
        return self._block[tier]

    def _points_of(self, jobs: Sequence[Watched], tier: Tier, *, node: bool) -> JobsPoints:
        if (tier, node) not in self._points:
            self._points[tier, node] = JobsPoints(
                [
                    (one.points[tier], one.account, one.process_account, one.node_account if node else None)
                    for one in jobs
                ]
            )
        return self._points[tier, node]


class SlotLines:
    """The lines of one node's slots; slot number `slots` holds the rest."""

    def __init__(self, cluster: str, node: str, slots: int, interval_s: float, slow_every: int) -> None:
        self._series = [SlotSeries(slot_prefix(cluster, node, slot)) for slot in range(slots + 1)]
        self._rest = slots
        self._interval_ns: dict[Tier, int] = {}
        self.retime(interval_s, slow_every)
        self._rest_rows: dict[Tier, list[Row]] = {tier: [] for tier in Tier}

    def retime(self, interval_s: float, slow_every: int) -> None:
        """Points are of intervals of another length from now on."""
        interval_ns = round(interval_s * NS_PER_S)
        self._interval_ns = {Tier.FAST: interval_ns, Tier.SLOW: interval_ns * slow_every}

    def tick(self, standing: Standing, tier: Tier, tick_ns: int) -> Lines:
        """The points of the interval that ends at the aligned wall time `tick_ns`."""
        interval_ns = self._interval_ns[tier]
        time_s = (tick_ns - interval_ns) // NS_PER_S
        lines = []
        for watched in standing.gone:
            row = self._row(watched, tier, tick_ns)
            if row is not None:
                lines.append(self._of_gone(watched, tier, row, time_s))
        masks, values = standing.in_slots(tier).each(tick_ns, interval_ns)
        lines.append(Lines(standing.block(tier, masks, self._series).encode(values, time_s), len(values)))
        rest, self._rest_rows[tier] = self._rest_rows[tier], []
        slotless = standing.slotless(tier)
        if slotless is not None:
            rest.append(slotless.summed(tick_ns, interval_ns))
        if rest:
            lines.append(self._series[self._rest].lines(tier, summed(tier, rest), time_s))
        return Lines.joined(lines)

    def _of_gone(self, watched: Watched, tier: Tier, row: Row, time_s: int) -> Lines:
        """A row of a job that is gone: lines of its slot, or a part of the rest."""
        if watched.slot is None:
            self._rest_rows[tier].append(row)
            return Lines()
        return self._series[watched.slot].lines(tier, row, time_s)

    def last_word(self, watched: Watched, wall_ns: int) -> Lines:
        """The last, partial interval of a job that is gone; the rest's goes into the next tick."""
        lines = []
        for tier, interval_ns in self._interval_ns.items():
            begin_ns = wall_ns // interval_ns * interval_ns
            row = self._row(watched, tier, begin_ns + interval_ns)
            if row is None:
                continue
            lines.append(self._of_gone(watched, tier, row, begin_ns // NS_PER_S))
        return Lines.joined(lines)

    def _row(self, watched: Watched, tier: Tier, tick_ns: int) -> Row | None:
        """One job's values; None where it has said its last."""
        if tier in watched.silent:
            return None
        row = watched.points[tier].values(watched.accounts(), tick_ns, self._interval_ns[tier])
        if watched.is_gone:
            watched.silent.add(tier)
            row = [
                None if metric.kind is Kind.GAUGE else value
                for metric, value in zip(METRICS_OF_TIER[tier], row, strict=True)
            ]
        return row
