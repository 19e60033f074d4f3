"""What the operator's first page shows: `ClusterView`, as page, terminal and JSON.

Owns the types and nothing else; made by `build`, drawn by `terminal` and `hub.web`. Ratios are shares of one, None is
not known, never 0.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.views.finding.view import FindingLine
from slurmlens.hub.views.job.view import VIEW_VERSION


class UseCell(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the table: how it reads, its share where it is one, its tone, and where that which is behind it
    stands."""

    text: str
    ratio: float | None = None
    tone: str | None = None
    address: str | None = None
    course: tuple[float | None, ...] = ()
    """Its share in each of the last hours that are over, the oldest first; empty where that is not kept."""


class ResourceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One resource after the USE method: how busy it is, what waits for it, what is broken. `formulas` says in this
    order how each is computed and from what."""

    name: str
    utilisation: UseCell
    saturation: UseCell
    errors: UseCell
    formulas: tuple[str, str, str]


class NodeCell(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One node of the map: its state in words, and the share of its cores that is allocated (None: not in service)."""

    name: str
    word: str
    tone: str
    allocated: float | None = None
    shown: float | None = None
    """The chosen figure as a share of one; None where it is not known."""
    jobs: int = 0
    reason: str | None = None
    since_ns: int | None = None


class NodeGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes of a partition, or below a switch, in their natural order."""

    kind: str
    name: str
    nodes: tuple[NodeCell, ...]


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster now. `out_of_service` are the nodes that take no jobs, longest first."""

    version: int = VIEW_VERSION
    made_ns: int
    cluster: str
    sentence: str
    resources: tuple[ResourceLine, ...]
    by: str
    figure: str = "allocated"
    """What the map is coloured by."""
    partition: str | None = None
    """Where all this is of one partition alone."""
    course_hours: int = 24
    """How many hours courses go back."""
    groups: tuple[NodeGroup, ...]
    findings: tuple[FindingLine, ...] = ()
    """What is open, as far as the reader may see it."""
    out_of_service: tuple[NodeCell, ...] = ()
    waiting: tuple[tuple[str, int], ...] = ()
    """Reasons in words for which jobs wait, and how many do; the most frequent first."""
