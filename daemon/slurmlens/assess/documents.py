"""The documents that steps hand on to each other; `wire.assessment` has what comes in and what goes out.

Owns the types; only what the steps look at is typed. Read by every step, where a file that is none of these is a
DecodeError.
"""

from __future__ import annotations

import msgspec

from slurmlens.wire.assessment import KnownProblem, Score, Ticket


class Share(msgspec.Struct, frozen=True):
    """Used against asked, as the hub tells it."""

    used: float | None = None
    asked: float | None = None
    ratio: float | None = None


class JobTimes(msgspec.Struct, frozen=True):
    """Of the run: seconds waited, and ran against the limit."""

    waited_s: float | None = None
    ran: Share = Share()


class AssessedRun(msgspec.Struct, frozen=True):
    """Which run."""

    job_id: int
    run: int
    name: str | None = None
    user: str | None = None


class JobNode(msgspec.Struct, frozen=True):
    """A node's part."""

    name: str
    cpu: Share = Share()
    memory: Share = Share()
    oom_kills: int | None = None


class JobMetrics(msgspec.Struct, frozen=True):
    """The run's figures: the part of the hub's view of a job that steps look at."""

    identity: AssessedRun
    state: str
    state_text: str
    headline: str
    times: JobTimes = JobTimes()
    cpu: Share = Share()
    memory: Share = Share()
    nodes: tuple[JobNode, ...] = ()


class TimedLine(msgspec.Struct, frozen=True):
    """Something that was said at a moment, where that is known."""

    time_ns: int
    text: str
    node: str | None = None


class JobEvents(msgspec.Struct, frozen=True):
    """What happened: the run's own events and marks, and log lines that name it; oldest first."""

    lines: tuple[TimedLine, ...] = ()


class InventoryOfNode(msgspec.Struct, frozen=True):
    """A node as it was when the run began: attribute to value, in words."""

    name: str
    facts: dict[str, str] = {}


class JobInventory(msgspec.Struct, frozen=True):
    """Where it ran."""

    nodes: tuple[InventoryOfNode, ...] = ()


class JoinedJob(msgspec.Struct, frozen=True):
    """All of it, about one run."""

    ticket: Ticket
    metrics: JobMetrics
    events: JobEvents
    inventory: JobInventory


class Scores(msgspec.Struct, frozen=True):
    """All that could be scored; `total` is their mean, None where there is none."""

    total: float | None
    scores: tuple[Score, ...] = ()


class KnownProblems(msgspec.Struct, frozen=True):
    """Those that were recognised, the surest first."""

    problems: tuple[KnownProblem, ...] = ()
