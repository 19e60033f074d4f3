"""What stands around an entity, whom it touches, and in what two entities differ, as it is shown.

Owns the types; made by `build`, drawn by `terminal` and the web. The field names are the JSON's.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.inventory.questions.blast_radius import Touched
from slurmlens.hub.inventory.questions.software import PackageChange
from slurmlens.hub.inventory.runs import PlacedRun


class NeighbourLine(msgspec.Struct, frozen=True, kw_only=True):
    """An entity of a neighbourhood; `address` is its own page, None where it has none."""

    kind: str
    name: str
    distance: int
    address: str | None = None


class LinkLine(msgspec.Struct, frozen=True, kw_only=True):
    """A relation between two of them, by their places in the list of entities; `words` as it reads from the first."""

    first: int
    second: int
    relation: str
    words: str
    since_ns: int


class NeighbourhoodView(msgspec.Struct, frozen=True, kw_only=True):
    """An entity's neighbourhood at a moment, nearest first; `has_more` where it was cut."""

    cluster: str
    made_ns: int
    at_ns: int
    kind: str
    name: str
    depth: int
    entities: tuple[NeighbourLine, ...]
    links: tuple[LinkLine, ...]
    has_more: bool = False


class BlastRadiusView(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a failure of this entity would touch, or would have touched at that moment."""

    cluster: str
    made_ns: int
    at_ns: int
    kind: str
    name: str
    sentence: str
    nodes: tuple[str, ...]
    nodes_touched: tuple[str, ...]
    users: tuple[Touched, ...]
    accounts: tuple[Touched, ...]
    partitions: tuple[Touched, ...]
    jobs: tuple[PlacedRun, ...]
    has_more: bool = False


class DifferenceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute in which the two differ, in words; None where it is not known."""

    attribute: str
    label: str
    left: str | None
    right: str | None
    since_ns: int | None = None


class DifferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """Two entities at a moment, or one at two."""

    cluster: str
    made_ns: int
    kind: str
    left_name: str
    left_ns: int
    right_name: str
    right_ns: int
    sentence: str
    differences: tuple[DifferenceLine, ...]
    packages: tuple[PackageChange, ...] = ()
    """Of nodes: what is installed otherwise."""
