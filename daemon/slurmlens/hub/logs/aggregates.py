"""Lines counted in the intervals of their own times, and the points that come of that: pure.

Owns the counts of each rule's last intervals. A line counts where its time says, also when it comes late, within
`late_s`: its interval's point is then told again, and carbon keeps the newest. What is later than that is not counted
and told as such. An interval without a line is 0 where lines are counted, and no point where a figure is asked for. A
rule that is split tells zeros of those it has counted within the window. Fed by `series`, which has the loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.logs.query import StoredLine
from slurmlens.hub.logs.rules import By, LogRule, Value
from slurmlens.hub.logs.tail import fits
from slurmlens.hub.logs.words import Term, terms_of

MOST_SPLIT = 1_000
"""Series of one rule; what comes beyond is counted as `other`."""
MOST_FIGURE = 1e18
"""Of one line; nothing that is measured on a machine is larger."""
OTHER = "other"
WHOLE = ""
"""The one series of a rule that is not split."""


@dataclass(slots=True)
class _Bin:
    count: int = 0
    total: float = 0.0
    largest: float = float("-inf")


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One value of a rule's series at the begin of its interval; `split` is whom or what it is about."""

    rule: LogRule
    split: str
    time_s: int
    value: float


@dataclass
class RuleCounts:
    """One rule's intervals. `from_s`: earlier ones are not known as a whole, and no point of theirs is told."""

    rule: LogRule
    late_s: float
    from_s: int = 0
    too_late: int = 0
    _bins: dict[int, dict[str, _Bin]] = field(default_factory=dict)
    _changed: set[int] = field(default_factory=set)
    _told_until_s: int | None = None

    def __post_init__(self) -> None:
        self._terms: Sequence[Term] = terms_of(self.rule.query.text or "")

    def take(self, stored: StoredLine, now_s: float) -> None:
        """Counts a line if it is one of the rule's."""
        if not fits(EVERYBODY, self.rule.query, stored, self._terms):
            return
        value = _figure(self.rule, stored)
        if value is None:
            return
        begin_s = stored.line.time_ns // NS_PER_S // self.rule.interval_s * self.rule.interval_s
        if begin_s < self.from_s or begin_s < self.oldest_s(now_s):
            self.too_late += 1
            return
        bins = self._bins.setdefault(begin_s, {})
        own = bins.setdefault(self._split(stored, bins), _Bin())
        repeats = 1 + stored.line.repeats
        own.count += repeats
        own.total += value * repeats
        own.largest = max(own.largest, value)
        self._changed.add(begin_s)

    def oldest_s(self, now_s: float) -> int:
        """The begin of the oldest interval in which lines are still counted."""
        interval_s = self.rule.interval_s
        return int((now_s - self.late_s) // interval_s * interval_s)

    def due(self, now_s: float) -> Iterator[SeriesPoint]:
        """Points of intervals that are over and were not told, or have changed since."""
        interval_s = self.rule.interval_s
        end_s = int(now_s // interval_s * interval_s)
        first_s = self.oldest_s(now_s) if self._told_until_s is None else self._told_until_s
        over = {begin_s for begin_s in self._changed if begin_s < end_s} | set(range(first_s, end_s, interval_s))
        known = {split for bins in self._bins.values() for split in bins} or (
            {WHOLE} if self.rule.by is None else set()
        )
        for begin_s in sorted(over):
            if begin_s >= self.from_s:
                yield from self._points(begin_s, known)
        self._changed -= over
        self._told_until_s = max(first_s, end_s)
        oldest_s = self.oldest_s(now_s)
        self._bins = {begin_s: bins for begin_s, bins in self._bins.items() if begin_s >= oldest_s}

    def _points(self, begin_s: int, known: set[str]) -> Iterator[SeriesPoint]:
        bins = self._bins.get(begin_s, {})
        for split in sorted(known):
            value = _told(self.rule.value, bins.get(split))
            if value is not None:
                yield SeriesPoint(self.rule, split, begin_s, value)

    def _split(self, stored: StoredLine, bins: dict[str, _Bin]) -> str:
        if self.rule.by is None:
            return WHOLE
        named = _about(self.rule.by, stored) or "none"
        return named if named in bins or len(bins) < MOST_SPLIT else OTHER


def _about(by: By, stored: StoredLine) -> str | None:
    if by in (By.USER, By.ACCOUNT, By.PARTITION):
        found: str | None = getattr(stored.owner, by.value)
    else:
        found = getattr(stored.line, by.value)
    return found


def _figure(rule: LogRule, stored: StoredLine) -> float | None:
    """What a line adds; None where it has no such figure. A figure that is none, or without end, would spoil the sum
    of everybody else's lines."""
    if rule.field is None:
        return 1.0
    told = stored.line.fields.get(rule.field)
    try:
        value = float("nan" if told is None else told)
    except (ValueError, OverflowError):
        return None
    return value if abs(value) <= MOST_FIGURE else None


def _told(value: Value, counted: _Bin | None) -> float | None:
    if counted is None:
        return 0.0 if value in (Value.COUNT, Value.SUM) else None
    return {
        Value.COUNT: float(counted.count),
        Value.SUM: counted.total,
        Value.MEAN: counted.total / counted.count,
        Value.MAX: counted.largest,
    }[value]
