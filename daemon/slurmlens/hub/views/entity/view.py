"""What the pages of a node, user, partition, account, group or switch show, and the lists of them.

Owns the types and nothing else; made by `build`, drawn by `terminal` and the web. The field names are the JSON's.
Values are raw: times are nanoseconds since the epoch, names are kept as they came. None is: not known.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.inventory.entities import FactValue
from slurmlens.hub.views.finding.view import FindingLine
from slurmlens.hub.views.job.view import Charts
from slurmlens.hub.views.jobs.view import JobsView


class StateView(msgspec.Struct, frozen=True, kw_only=True):
    """A node's state: Slurm's words, ours, the tone it is shown with, and from when to when; None holds still."""

    told: str
    word: str
    tone: str
    from_ns: int
    to_ns: int | None = None


class FactLine(msgspec.Struct, frozen=True, kw_only=True):
    """One fact: what it says in words beside its raw value, since when, and by which source."""

    attribute: str
    label: str
    value: FactValue
    text: str
    since_ns: int
    source: str


class ChangeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that changed within the window: from what, to what, and when. None: it began, or ended, then."""

    label: str
    before: str | None
    after: str | None
    time_ns: int


class RelatedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What an entity is related to, of one kind: `words` say how ("in partition", "below switch")."""

    words: str
    kind: str
    names: tuple[str, ...]


class RunBand(msgspec.Struct, frozen=True, kw_only=True):
    """A run on a node, for the band below its states."""

    job_id: int
    run: int
    state: str
    tone: str
    user: str | None
    name: str | None
    from_ns: int
    to_ns: int | None = None


class MachineFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the node itself: raw, in words, and of what (a disk, an interface; empty: the node)."""

    name: str
    of: str
    value: float
    text: str
    label: str
    is_odd: bool = False
    ratio: float | None = None


class MachineGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Figures that belong together."""

    name: str
    figures: tuple[MachineFigure, ...]


class MachineGpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU of the node, now."""

    uuid: str
    pci: str | None = None
    model: str | None = None
    part_of: str | None = None
    problem: str | None = None
    utilisation_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    temperature_celsius: float | None = None
    notes: tuple[str, ...] = ()


class MachineView(msgspec.Struct, frozen=True, kw_only=True):
    """How the node itself fared when its daemon told last; `odd` are sentences: what to look at."""

    told_ns: int
    is_stale: bool = False
    groups: tuple[MachineGroup, ...] = ()
    gpus: tuple[MachineGpu, ...] = ()
    odd: tuple[str, ...] = ()


class OutsiderLine(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, or a job, that uses a node or a GPU of it without an allocation, in words."""

    text: str
    user: str | None = None
    job_id: int | None = None


class EntityView(msgspec.Struct, frozen=True, kw_only=True):
    """An entity at a moment. `states` and `runs` are a node's, over the window from `since_ns` to `at_ns`."""

    cluster: str
    kind: str
    name: str
    made_ns: int
    at_ns: int
    since_ns: int
    sentence: str
    is_known: bool
    state: StateView | None = None
    states: tuple[StateView, ...] = ()
    runs: tuple[RunBand, ...] = ()
    facts: tuple[FactLine, ...] = ()
    changes: tuple[ChangeLine, ...] = ()
    related: tuple[RelatedLine, ...] = ()
    jobs: JobsView | None = None
    findings: tuple[FindingLine, ...] = ()
    charts: Charts | None = None
    """Of a node over the window, where it told its figures."""
    outsiders: tuple[OutsiderLine, ...] = ()
    """Who uses the node without having been given it; for operators."""
    machine: MachineView | None = None
    """Of a node, at this moment alone: None where its daemon told nothing, and of the past."""


class EntityLine(msgspec.Struct, frozen=True, kw_only=True):
    """One entity of a list."""

    name: str
    state: StateView | None = None
    reason: str | None = None
    partitions: tuple[str, ...] = ()
    cpu_count: int | None = None
    memory_bytes: int | None = None


class EntitiesView(msgspec.Struct, frozen=True, kw_only=True):
    """All entities of a kind at a moment; of nodes those that are out of service first. `counts` are by state."""

    cluster: str
    kind: str
    made_ns: int
    at_ns: int
    rows: tuple[EntityLine, ...]
    counts: dict[str, int]
