"""A window of time, cut into what sums are kept of and what is left of it. Pure.

Owns the cut: whole days and whole hours of UTC, whose sums are kept up, and stretches of less than an hour at its ends,
which are read from the ledger. Invariant: the parts neither overlap nor leave anything out, so that what is summed over
them is what a reading of the whole window comes to. Feeds `read`, `started` and `waits`.
"""

from __future__ import annotations

from typing import NamedTuple

from slurmlens.hub.usage.charges import DAY_S, HOUR_S
from slurmlens.hub.usage.facts import UsageWindow


class KeptSpan(NamedTuple):
    """Whole stretches of `width_s` (an hour, a day) of which sums are kept."""

    width_s: int
    window: UsageWindow


class WindowParts(NamedTuple):
    """A window in parts: `kept` are read from sums, `edges` from the ledger."""

    kept: tuple[KeptSpan, ...]
    edges: tuple[UsageWindow, ...]


def cut(window: UsageWindow) -> WindowParts:
    """The window's whole days, the whole hours beside them, and what is left."""
    hours, edges = _within(window, HOUR_S)
    if hours is None:
        return WindowParts((), edges)
    days, beside = _within(hours, DAY_S)
    kept = () if days is None else (KeptSpan(DAY_S, days),)
    return WindowParts((*kept, *(KeptSpan(HOUR_S, one) for one in beside)), edges)


def _within(window: UsageWindow, width_s: int) -> tuple[UsageWindow | None, tuple[UsageWindow, ...]]:
    """The whole stretches of this width, and what of the window lies before and behind them."""
    begin_s, end_s = -(-window.from_s // width_s) * width_s, window.to_s // width_s * width_s
    if begin_s >= end_s:
        return None, (window,)
    beside = (UsageWindow(window.from_s, begin_s), UsageWindow(end_s, window.to_s))
    return UsageWindow(begin_s, end_s), tuple(one for one in beside if one.seconds)
