"""What a job's time line shows: figures and events of one run and of its nodes, over one axis of time.

Owns the types; made by `build`. Field names are the JSON's. Bands and marks are those of the job's page
(`views.job.view`). Times are nanoseconds since the epoch (UTC), each by the clock of whoever told it; `clocks` says how
far a node's was off.
"""

from __future__ import annotations

import enum

import msgspec

from slurmlens.hub.views.job.view import Band, Identity
from slurmlens.slurm.records import JobState

TIMELINE_VERSION = 1


class EventOf(enum.Enum):
    """Whom an event is about."""

    JOB = "job"
    NODE = "node"
    FINDING = "finding"


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A moment. `where` names nodes; `loud` marks what a reader looks for first."""

    time_ns: int
    of: EventOf
    kind: str
    text: str
    where: str | None = None
    loud: bool = False


class LogCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the job's log lines, and how many errors among them, a stretch of `log_width_s` has."""

    begin_ns: int
    lines: int
    errors: int


class NodeSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the run on one node: a value for each of `times_s`, None where nothing was measured.

    `column` is what was measured; with `note` it stands in for the job's own figure.
    """

    node: str
    key: str
    column: str
    unit: str
    values: tuple[float | None, ...]
    note: str | None = None


class NodeClock(msgspec.Struct, frozen=True, kw_only=True):
    """A node's clock minus the hub's, where they are apart."""

    node: str
    skew_s: float


class JobTimelineView(msgspec.Struct, frozen=True, kw_only=True):
    """Figures and events of one run and of its nodes from `margin_s` before its start to as long after its end.

    `times_s` are the middles of the series' bins of `width_s`, seconds since the epoch. Events of the run itself are
    all there, its submission included, also where they lie outside that window; log counts are of the window.
    """

    version: int = TIMELINE_VERSION
    made_ns: int
    identity: Identity
    state: JobState
    state_text: str
    started_ns: int | None = None
    ended_ns: int | None = None
    margin_s: int
    from_ns: int
    until_ns: int
    bands: tuple[Band, ...] = ()
    events: tuple[TimelineEvent, ...] = ()
    width_s: float = 0.0
    times_s: tuple[float, ...] = ()
    series: tuple[NodeSeries, ...] = ()
    log_width_s: int | None = None
    """None where the hub keeps no lines, or they cannot be read."""
    logs: tuple[LogCount, ...] = ()
    clocks: tuple[NodeClock, ...] = ()
