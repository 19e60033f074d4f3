"""Sound nodes over a fortnight, for the FINDINGS case: what they told at this time of the day on the days before.

Owns how sound nodes differ from themselves: each hour has its own load, each day its own weather, the room is warmer in
the afternoon, some nodes are noisier. Seeded; a node that is looked at twice has the same past.
"""

from __future__ import annotations

import math

import numpy as np

from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.hub.node_states.figures import BIN_S

DAYS, DAY_S = 13, 86_400
CORES = 16.0
_PAST_BINS, _NOW_BINS = 18, 7
_BEFORE_S = 3_600


def sound_past(seed: int, node: int, now_s: int) -> NodeCourse:
    """One node's course as `NodeStateQueries.same_hours` gives it."""
    begins = np.concatenate(
        [
            *(now_s - day * DAY_S - _BEFORE_S + BIN_S * np.arange(_PAST_BINS) for day in range(DAYS, 0, -1)),
            now_s - _NOW_BINS * BIN_S + BIN_S * np.arange(_NOW_BINS),
        ]
    )
    hours = begins // 3_600
    draw = np.random.default_rng((seed, node, now_s))
    level = _fixed(seed, node, hours) ** 0.5
    weather = 3.0 * (2 * _fixed(seed, 0, begins // DAY_S) - 1)
    season = 4.0 * np.sin(2 * math.pi * (begins % DAY_S) / DAY_S)
    noise = 1.0 + node % 3
    size = len(begins)
    busy = np.clip(level * draw.normal(1.0, 0.03, size), 0.0, 1.0)
    figures = {
        "cpu": CORES * busy,
        "cores": np.full(size, CORES),
        "temperature": 35 + 30 * busy + weather + season + draw.normal(0, noise, size),
        "power": 90 + 210 * busy * draw.normal(1.0, 0.04 * noise, size),
        "disk_latency": draw.gamma(2.0, 0.002 * noise, size),
        "load": CORES * busy + draw.gamma(1.0, 0.3, size),
        "memory": 4e9 + 2e11 * busy + draw.normal(0, 5e8, size),
    }
    means = {name: tuple(map(float, values)) for name, values in figures.items()}
    return NodeCourse(node=f"n{node:02}", begins_s=tuple(map(int, begins)), means=means)


def _fixed(seed: int, node: int, times: np.ndarray) -> np.ndarray:
    """A number of 0 to 1 for each node and time, whenever it is looked at."""
    low = np.uint64(0xFFFFFFFF)
    mixed = (times.astype(np.uint64) * np.uint64(2654435761) + np.uint64(seed * 7919 + node * 104729)) & low
    mixed = ((mixed ^ (mixed >> np.uint64(15))) * np.uint64(2246822519)) & low
    return (mixed ^ (mixed >> np.uint64(13))) / 2**32
