"""The map of the cluster: switches, the nodes below them, and which jobs ran there at a moment.

Owns the types; made by `build`, drawn by the web. The field names are the JSON's. Jobs that the reader may not see are
not in it: a node that has one says so by its state alone.
"""

from __future__ import annotations

import msgspec


class MapNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node: its state in words, and the jobs on it by their places in the list of jobs."""

    name: str
    word: str
    tone: str
    jobs: tuple[int, ...] = ()


class MapSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """A switch and the nodes right below it; `depth` is how many switches stand above it. No name: below none."""

    name: str
    depth: int
    above: str | None = None
    nodes: tuple[MapNode, ...] = ()


class MapJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that ran there; `colour` is a number that stays the same as long as the job lives."""

    job_id: int
    run: int
    name: str | None
    user: str | None
    nodes: int
    colour: int


class ClusterMapView(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster at a moment, switches in the order of a walk down the tree."""

    cluster: str
    made_ns: int
    at_ns: int
    sentence: str
    switches: tuple[MapSwitch, ...]
    jobs: tuple[MapJob, ...]
    has_more: bool = False
