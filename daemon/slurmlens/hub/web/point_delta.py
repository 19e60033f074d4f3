"""What is new in a job's charts since a browser last heard: the tail from the first bin that differs.

Pure. Fed with the charts sent before and the charts now; `live_stream` sends the result, `web/src/live.js` applies it
(keep `from` bins, append the rest). Where the shape itself changed — another bin width, a node more, an empty chart
that filled — the whole is sent again (`reset`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from slurmlens.hub.views.job.view import Chart, Charts

_MOVED_SHARE = 0.01


def points_since(before: Charts | None, now: Charts) -> dict[str, Any] | None:
    """The message for the browser, or None where nothing that can be seen has changed."""
    if before is None or before.shape != now.shape:
        return {"reset": now}
    first = first_difference(before, now)
    moved_s = abs(now.end_s - before.end_s)
    is_same_end = before.ran_until_s == now.ran_until_s and moved_s < _MOVED_SHARE * (now.end_s - now.start_s)
    if first == len(now.times_s) == len(before.times_s) and is_same_end:
        return None
    return {
        "from": first,
        "start_s": now.start_s,
        "end_s": now.end_s,
        "ran_until_s": now.ran_until_s,
        "times_s": now.times_s[first:],
        "charts": {chart.key: _tail(chart, first) for chart in now.charts if not chart.empty},
    }


def first_difference(before: Charts, now: Charts) -> int:
    """The first bin that a browser has not, or has otherwise."""
    pairs = [(before.times_s, now.times_s), *_value_pairs(before, now)]
    return min(_common(old, new) for old, new in pairs)


def _value_pairs(before: Charts, now: Charts) -> Iterator[tuple[Sequence[float | None], Sequence[float | None]]]:
    for old, new in zip(before.charts, now.charts, strict=True):
        for old_series, new_series in zip(old.series, new.series, strict=True):
            yield old_series.values, new_series.values


def _common(old: Sequence[float | None], new: Sequence[float | None]) -> int:
    index = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        index += 1
    return index


def _tail(chart: Chart, first: int) -> dict[str, Any]:
    return {
        "values": [series.values[first:] for series in chart.series],
        "scale": chart.scale,
        "limit_shown": chart.limit_shown,
    }


def held_by(now: Charts, shape: str, until_s: float) -> Charts | None:
    """What a browser has that says so itself: the charts up to a moment. None where its charts have another shape."""
    if shape != now.shape:
        return None
    kept = sum(1 for time_s in now.times_s if time_s < until_s)
    charts = tuple(
        msgspec.structs.replace(
            chart, series=tuple(msgspec.structs.replace(part, values=part.values[:kept]) for part in chart.series)
        )
        for chart in now.charts
    )
    return msgspec.structs.replace(now, times_s=now.times_s[:kept], charts=charts)
