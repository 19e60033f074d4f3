"""A campaign's state: the fold of its events, and nothing else.

Owns `State` and what each event does to it. Pure: the same events give the same state, any prefix of a journal folds
to a legal one. Sums are kept as events come, so that a decision costs the runs that live and not the points that were.
Fed by `controller` with what `journal` holds; read by `controller`, `policy` and the reports.

Invariants: an attempt has at most one job id; a point is told at most once; an event that does not fit is a
CampaignError, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from slurmlens.campaign import record
from slurmlens.campaign.record import AttemptOutcome, Event, PointVerdict
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Parameters, canonical
from slurmlens.errors import CampaignError

ENFORCEMENT_S = 90.0
"""Slurm ends a job up to a minute after its limit, and KillWait (30 s) later by force: reserved with every limit."""

AttemptId = tuple[int, int]
"""Point and attempt, both from 1."""


@dataclass(slots=True)
class Attempt:
    """One job for a point."""

    intent: record.Intent
    job_id: int | None = None
    released: bool = False
    unknown: record.SubmissionUnknown | None = None
    running: record.AttemptRunning | None = None
    cancel: record.Cancel | None = None
    ended: record.AttemptEnded | None = None
    held_at_s: float | None = None

    @property
    def id(self) -> AttemptId:
        """Which attempt this is."""
        return self.intent.point, self.intent.attempt

    @property
    def reserved_s(self) -> float:
        """Node seconds that the job can use at most."""
        return self.intent.nodes * (self.intent.limit_s + ENFORCEMENT_S)


@dataclass(slots=True)
class PointState:
    """One point of the space and all that was done for it."""

    asked: record.Asked
    attempts: list[Attempt] = field(default_factory=list)
    told: record.PointTold | None = None

    @property
    def number(self) -> int:
        """From 1, in the order in which points were asked for."""
        return self.asked.point

    @property
    def parameters(self) -> Parameters:
        """The point itself."""
        return self.asked.parameters

    @property
    def feasible(self) -> bool:
        """Told, with values, and no constraint broken."""
        return self.told is not None and self.told.verdict is PointVerdict.FINE and self.told.excess <= 0


@dataclass(slots=True)
class State:
    """All there is to know; `live` are attempts from their intent to their end, `untold` what waits for a verdict."""

    campaign: Campaign
    points: list[PointState] = field(default_factory=list)
    live: dict[AttemptId, Attempt] = field(default_factory=dict)
    untold: dict[int, PointState] = field(default_factory=dict)
    by_parameters: dict[str, int] = field(default_factory=dict)
    job_ids: dict[int, AttemptId] = field(default_factory=dict)
    best: PointState | None = None
    since_gain: int = 0
    repeated: int = 0
    withdrawn_in_a_row: int = 0
    used_s: float = 0.0
    reserved_s: float = 0.0
    saved_low_s: float = 0.0
    saved_high_s: float = 0.0
    counts: dict[PointVerdict, int] = field(default_factory=lambda: dict.fromkeys(PointVerdict, 0))
    trace: list[tuple[int, float]] = field(default_factory=list)
    opened: record.Opened | None = None
    paused: str | None = None
    stopping: record.Stopping | None = None
    closed: record.Closed | None = None
    last_unknown_s: float | None = None
    bad_nodes: dict[str, float] = field(default_factory=dict)
    events: int = 0

    def apply(self, event: Event) -> None:
        """What the event does; CampaignError where it cannot follow what went before."""
        self.events += 1
        match event:
            case record.Opened():
                self.opened = event
            case record.Asked():
                self._asked(event)
            case record.Intent():
                self._intent(event)
            case record.AttemptEnded():
                self._ended(event)
            case record.PointTold():
                self._told(event)
            case record.Paused():
                self.paused = event.reason
            case record.Resumed():
                self.paused, self.withdrawn_in_a_row = None, 0
                self.stopping = self.closed = None
            case record.Stopping():
                self.stopping = event
            case record.Closed():
                self.closed = event
            case _:
                self._of_attempt(event)

    def point(self, number: int) -> PointState:
        """The point of that number; CampaignError where there is none."""
        if not 1 <= number <= len(self.points):
            raise CampaignError(f"the journal speaks of point {number}, which was never asked for")
        return self.points[number - 1]

    def _asked(self, event: record.Asked) -> None:
        if event.point != len(self.points) + 1:
            raise CampaignError(f"the journal asks for point {event.point} after {len(self.points)}")
        asked = PointState(event)
        self.points.append(asked)
        self.untold[event.point] = asked
        self.repeated = self.repeated + 1 if event.same_as else 0
        if event.same_as is None:
            self.by_parameters[canonical(event.parameters)] = event.point

    def _intent(self, event: record.Intent) -> None:
        point = self.point(event.point)
        if event.attempt != len(point.attempts) + 1 or (point.attempts and point.attempts[-1].ended is None):
            raise CampaignError(f"the journal begins attempt {event.attempt} of point {event.point} out of turn")
        if point.told is not None:
            raise CampaignError(f"the journal runs point {event.point} again, whose result it has")
        attempt = Attempt(event)
        point.attempts.append(attempt)
        self.live[attempt.id] = attempt
        self.reserved_s += attempt.reserved_s

    def _of_attempt(self, event: Event) -> None:
        assert isinstance(
            event,
            record.SubmissionUnknown | record.AttemptHeld | record.Released | record.AttemptRunning | record.Cancel,
        )
        attempt = self.live.get((event.point, event.attempt))
        if attempt is None:
            raise CampaignError(f"the journal speaks of attempt {event.point}.{event.attempt}, which does not live")
        match event:
            case record.SubmissionUnknown():
                attempt.unknown = event
                self.last_unknown_s = event.at_s
            case record.AttemptHeld():
                self._held(attempt, event)
            case record.Released():
                attempt.released = True
            case record.AttemptRunning():
                attempt.running = event
            case record.Cancel():
                attempt.cancel = event

    def _held(self, attempt: Attempt, event: record.AttemptHeld) -> None:
        if attempt.job_id is not None:
            raise CampaignError(f"attempt {event.point}.{event.attempt} has job {attempt.job_id} already")
        attempt.job_id, attempt.held_at_s = event.job_id, event.at_s
        self.job_ids[event.job_id] = attempt.id

    def _ended(self, event: record.AttemptEnded) -> None:
        attempt = self.live.pop((event.point, event.attempt), None)
        if attempt is None:
            raise CampaignError(f"the journal ends attempt {event.point}.{event.attempt}, which does not live")
        attempt.ended = event
        self.reserved_s -= attempt.reserved_s
        self.used_s += event.node_seconds
        if event.outcome is AttemptOutcome.STOPPED and attempt.cancel is not None:
            self.saved_low_s += attempt.cancel.saved_low_s
            self.saved_high_s += attempt.cancel.saved_high_s
        if event.outcome is AttemptOutcome.NODE and event.node_list:
            self.bad_nodes[event.node_list] = event.at_s
        self.withdrawn_in_a_row = self.withdrawn_in_a_row + 1 if event.outcome is AttemptOutcome.WITHDRAWN else 0

    def _told(self, event: record.PointTold) -> None:
        point = self.point(event.point)
        if point.told is not None:
            raise CampaignError(f"the journal has two results of point {event.point}")
        point.told = event
        del self.untold[event.point]
        self.counts[event.verdict] += 1
        if point.asked.same_as is None:
            self._rank(point)

    def _rank(self, point: PointState) -> None:
        """Is it the best so far, and was that a gain? For several objectives the front is the reports' business."""
        self.since_gain += 1
        if not point.feasible or len(self.campaign.objectives) != 1:
            return
        value, best = self.minimised(point), self.best_value
        if best is None or value < best:
            if best is None or best - value > self.campaign.stop.gain * max(abs(best), 1e-300):
                self.since_gain = 0
            self.best = point
            self.trace.append((point.number, value))

    def minimised(self, point: PointState) -> float:
        """The one objective of a point that was told with values, smaller is better."""
        assert point.told is not None
        objective = self.campaign.objectives[0]
        return objective.minimised(point.told.values[objective.name])

    @property
    def best_value(self) -> float | None:
        """The best objective so far, smaller is better; None before the first feasible point."""
        return None if self.best is None else self.minimised(self.best)


def fold(campaign: Campaign, events: Iterable[Event]) -> State:
    """The state after those events."""
    state = State(campaign)
    for event in events:
        state.apply(event)
    return state
