"""What is installed, as it is shown: of one node, of one library on all nodes, and who differs from the others.

Owns the types; made by `build`, drawn by `terminal` and the web. The field names are the JSON's. Times are nanoseconds
since the epoch.
"""

from __future__ import annotations

import msgspec


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


class DriftLine(msgspec.Struct, frozen=True, kw_only=True):
    """A package that a node has otherwise than its partition; empty: it does not have it."""

    node: str
    group: str
    source: str
    name: str
    place: str
    has: tuple[str, ...]
    usual: tuple[str, ...]
    share: float
    of: int


class NodeSoftwareView(msgspec.Struct, frozen=True, kw_only=True):
    """All that is installed on a node at a moment."""

    cluster: str
    made_ns: int
    at_ns: int
    node: str
    sentence: str
    sources: tuple[SourceView, ...]
    drift: tuple[DriftLine, ...] = ()


class VersionLine(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a library, and who has it."""

    source: str
    place: str
    version: str
    nodes: tuple[str, ...]


class LibraryView(msgspec.Struct, frozen=True, kw_only=True):
    """Every version of a library at a moment."""

    cluster: str
    made_ns: int
    at_ns: int
    name: str
    sentence: str
    versions: tuple[VersionLine, ...]


class SetLine(msgspec.Struct, frozen=True, kw_only=True):
    """One source on all nodes: how many tell it, in how many different sets, and how many could not read it."""

    source: str
    nodes: int
    sets: int
    problems: int


class PopulationLine(msgspec.Struct, frozen=True, kw_only=True):
    """A package of which a partition has two versions, neither of them usual."""

    group: str
    source: str
    name: str
    place: str
    first: tuple[str, ...]
    first_nodes: int
    second: tuple[str, ...]
    second_nodes: int
    of: int


class SoftwareView(msgspec.Struct, frozen=True, kw_only=True):
    """All nodes at a moment, and what differs among those of a partition."""

    cluster: str
    made_ns: int
    at_ns: int
    sentence: str
    sources: tuple[SetLine, ...]
    drift: tuple[DriftLine, ...]
    populations: tuple[PopulationLine, ...]
    not_compared: tuple[str, ...] = ()


class PackageChangeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A package whose versions differ between two nodes, or between two moments."""

    source: str
    name: str
    place: str
    left: tuple[str, ...]
    right: tuple[str, ...]
