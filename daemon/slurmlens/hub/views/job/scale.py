"""The vertical scale of a chart: where it ends, where its ticks stand, and what they say.

Pure. Fed with the highest values above and below the axis; used by `charts`. Steps are 1, 2 or 5 times a power of ten
in the unit that is shown (so bytes step in whole MiB or GiB), a ratio never ends below `LEAST_RATIO` (a flat calm
line must look calm), and every tick's text comes from `format`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from slurmlens.hub.views.job.view import Scale
from slurmlens.shown import format as fmt

LEAST_RATIO = 0.1
_INTERVALS = 3
_LEAST: dict[str, float] = {"cores": 1.0, "bytes": 1024.0**2, "bytes/s": 1e3, "ratio": LEAST_RATIO}
_BASE: dict[str, float] = {"bytes": 1024.0, "bytes/s": 1000.0}


def scale_for(unit: str, highest: float, lowest: float | None) -> Scale:
    """From zero (or from minus `lowest`, for mirrored charts) up to `highest`, with two to four ticks a side."""
    reach = max(highest, lowest or 0.0, _LEAST.get(unit, 1.0))
    step = _step(reach, _BASE.get(unit, 1.0))
    top = _ceiling(max(highest, 0.0) if lowest is not None else reach, step)
    bottom = _ceiling(lowest, step) if lowest is not None else 0.0
    ticks = [index * step for index in range(-round(bottom / step), round(top / step) + 1)]
    # A little air above the highest tick, so that a line at its limit is not cut in half.
    return Scale(
        low=-bottom * 1.04,
        high=top * 1.04,
        ticks=tuple(ticks),
        texts=tuple(tick_text(unit, abs(tick)) for tick in ticks),
    )


def _ceiling(value: float, step: float) -> float:
    return max(1, math.ceil(value / step - 1e-9)) * step


def _step(reach: float, base: float) -> float:
    unit = base ** math.floor(math.log(reach, base)) if base > 1 else 1.0
    rough = reach / unit / _INTERVALS
    power = 10.0 ** math.floor(math.log10(rough))
    factor = next(factor for factor in (1, 2, 5, 10) if rough <= factor * power * (1 + 1e-9))
    return factor * power * unit


_TEXTS: dict[str, Callable[[float], str]] = {
    "bytes": fmt.memory,
    "bytes/s": lambda value: f"{fmt.volume(value)}/s",
    "ratio": fmt.percent,
    "cores": fmt.digits,
}


def tick_text(unit: str, value: float) -> str:
    """What stands beside a tick: short, with its unit where it has one; nothing but 0 for zero."""
    if value == 0:
        return "0"
    text = _TEXTS.get(unit, fmt.digits)(value)
    number, _, rest = text.partition(" ")
    return f"{number.removesuffix('.0')} {rest}".strip()
