"""Waiting for whole multiples of an interval, at which points of all nodes and of the hub fall together.

Owns nothing. Used by stages that make points: `node.own_figures`, `node.series_2015`, `hub.queue_series`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from slurmlens.clock import NS_PER_S, Clock, next_whole_ns


async def next_interval(interval_ns: int, clock: Clock, sleep: Callable[[float], Awaitable[None]]) -> int:
    """Sleep until the next whole multiple of the interval; returns that wall time."""
    now_ns = clock.wall_ns()
    due_ns = next_whole_ns(now_ns, interval_ns)
    await sleep((due_ns - now_ns) / NS_PER_S)
    return due_ns
