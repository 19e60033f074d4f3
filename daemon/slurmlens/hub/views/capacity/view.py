"""Where the cluster is going, as one model for page, JSON and CSV.

Owns the types. A figure has its days and, of thirty days and more, its forecast; kinds of
jobs have their runs by generation of nodes.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.usage.capacity import Forecast
from slurmlens.hub.usage.facts import DayFigure
from slurmlens.hub.usage.generations import TypeOnGenerations


class CapacityFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One daily figure: `unit` is "share" or "s"; `sentence` says when it reaches its threshold, and how sure.

    `mount` is the mount point where it is of a file system, and then `size_bytes` is how large that is.
    """

    name: str
    unit: str
    days: tuple[DayFigure, ...]
    forecast: Forecast | None
    sentence: str
    mount: str | None = None
    size_bytes: int | None = None


class CapacityView(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    cluster: str
    made_s: int
    figures: tuple[CapacityFigure, ...]
    generations: tuple[TypeOnGenerations, ...] = ()
    """Kinds of jobs that ran on several generations of nodes, with how long they took on each."""
