"""What is installed, as it is shown: of one node, of one library on all nodes, and who differs from the others.

Owns the types but those of single answers, which are the questions' own (`inventory.questions.software`); made by
`build`, drawn by `terminal` and the web. The field names are the JSON's. Times are nanoseconds since the epoch.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.inventory.questions.software import Drift, LibraryVersion, Populations


class PackageLine(msgspec.Struct, frozen=True, kw_only=True):
    """One package."""

    name: str
    version: str
    place: str


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """One source of a node's software: `nodes` have the very same; with `problem` nothing newer is known, and why."""

    source: str
    since_ns: int
    count: int
    nodes: int
    problem: str | None = None
    packages: tuple[PackageLine, ...] = ()


class NodeSoftwareView(msgspec.Struct, frozen=True, kw_only=True):
    """All that is installed on a node at a moment."""

    cluster: str
    made_ns: int
    at_ns: int
    node: str
    sentence: str
    sources: tuple[SourceView, ...]
    drift: tuple[Drift, ...] = ()


class LibraryView(msgspec.Struct, frozen=True, kw_only=True):
    """Every version of a library at a moment."""

    cluster: str
    made_ns: int
    at_ns: int
    name: str
    sentence: str
    versions: tuple[LibraryVersion, ...]


class SetLine(msgspec.Struct, frozen=True, kw_only=True):
    """One source on all nodes: how many tell it, in how many different sets, and how many could not read it."""

    source: str
    nodes: int
    sets: int
    problems: int


class SoftwareView(msgspec.Struct, frozen=True, kw_only=True):
    """All nodes at a moment, and what differs among those of a partition."""

    cluster: str
    made_ns: int
    at_ns: int
    sentence: str
    sources: tuple[SetLine, ...]
    drift: tuple[Drift, ...]
    populations: tuple[Populations, ...]
    not_compared: tuple[str, ...] = ()
