"""What follows from how an attempt ended: the same point again, or a verdict.

Owns the table of outcomes and the arithmetic of limits. Pure: everything is derived from `State`, so it is the same
before and after a crash. Asked by `controller`.

| outcome | then |
|---|---|
| fine | told |
| application | infeasible with its reason; listed exit codes once more |
| time | once more with `time_factor` of the limit, then infeasible |
| memory | infeasible: more memory is the user's to ask for |
| node, lost | the same point elsewhere, that node excluded, up to `node_attempts` |
| gave way | the same point later, up to `node_attempts` |
| stopped | told as stopped, with its last value |
| withdrawn | a person ended it: told as withdrawn, not tried again |
| deadline | withdrawn: there is no time left |
"""

from __future__ import annotations

import re
from typing import NamedTuple

from slurmlens.campaign import record
from slurmlens.campaign.fold import ENFORCEMENT_S, PointState, State
from slurmlens.campaign.record import AttemptOutcome, PointVerdict
from slurmlens.campaign.settings import Campaign

_INFRASTRUCTURE = (AttemptOutcome.NODE, AttemptOutcome.GAVE_WAY, AttemptOutcome.LOST)
WITHDRAWN_PAUSE = 3


class Again(NamedTuple):
    """Another attempt is due, with this limit and without these nodes."""

    limit_s: float
    exclude: tuple[str, ...]


class Tell(NamedTuple):
    """The optimiser gets a verdict."""

    verdict: PointVerdict
    values: dict[str, float]
    excess: float
    reason: str


def follow(state: State, point: PointState, now_s: float) -> Again | Tell | None:
    """What is due for a point that is not told; None while an attempt lives or nothing was tried yet."""
    if point.asked.refused is not None:
        return Tell(PointVerdict.INFEASIBLE, {}, point.asked.excess, f"not allowed: {point.asked.refused}")
    if point.asked.same_as is not None:
        told = state.point(point.asked.same_as).told
        if told is None:
            return None
        return Tell(told.verdict, dict(told.values), told.excess, f"same as #{point.asked.same_as}")
    if not point.attempts:
        return None
    last = point.attempts[-1].ended
    if last is None:
        return None
    limit_s = _next_limit(state.campaign, point)
    if limit_s is not None:
        return Again(limit_s, excluded(state, now_s))
    return _verdict(state.campaign, point, last)


def _next_limit(campaign: Campaign, point: PointState) -> float | None:
    """The limit of the attempt that is due; None where none is."""
    ends = [attempt.ended for attempt in point.attempts if attempt.ended is not None]
    limit_s, last, failure = point.attempts[-1].intent.limit_s, ends[-1], campaign.failure
    if last.outcome in _INFRASTRUCTURE:
        tried = sum(end.outcome in _INFRASTRUCTURE for end in ends)
        return limit_s if tried < failure.node_attempts else None
    if last.outcome is AttemptOutcome.TIME:
        more_s = min(failure.time_max_s, limit_s * failure.time_factor)
        tried = sum(end.outcome is AttemptOutcome.TIME for end in ends)
        return more_s if tried < failure.time_attempts and more_s > limit_s else None
    if last.outcome is AttemptOutcome.APPLICATION and (code := re.match(r"exit code (\d+)", last.reason)):
        tried = sum(end.outcome is AttemptOutcome.APPLICATION for end in ends)
        return limit_s if code[1] in failure.retry_exit_codes and tried < failure.node_attempts else None
    return None


def _verdict(campaign: Campaign, point: PointState, last: record.AttemptEnded) -> Tell:
    if last.outcome is AttemptOutcome.FINE:
        return Tell(PointVerdict.FINE, dict(last.values), excess_of(campaign, last.values), "")
    if last.outcome is AttemptOutcome.STOPPED:
        cancel = point.attempts[-1].cancel
        value = cancel.value if cancel else None
        values = {} if value is None else {campaign.objectives[0].name: value}
        return Tell(PointVerdict.STOPPED, values, 0.0, cancel.reason if cancel else last.reason)
    if last.outcome in (AttemptOutcome.WITHDRAWN, AttemptOutcome.DEADLINE):
        return Tell(PointVerdict.WITHDRAWN, {}, 1.0, last.reason or last.outcome.value)
    return Tell(PointVerdict.INFEASIBLE, {}, 1.0, last.reason or last.outcome.value)


def excess_of(campaign: Campaign, values: dict[str, float]) -> float:
    """The sum of all broken constraints; 0 or less where none is."""
    return sum(max(0.0, one.violation(values[one.name])) for one in campaign.constraints)


def excluded(state: State, now_s: float) -> tuple[str, ...]:
    """Node lists that failed within `exclude_s`."""
    young = now_s - state.campaign.failure.exclude_s
    return tuple(sorted(nodes for nodes, at_s in state.bad_nodes.items() if at_s > young))


def room(state: State, nodes: int, limit_s: float, now_s: float) -> str | None:
    """Why one more job must not be submitted now; None where it may.

    The sum that counts is what was used, plus what all live jobs can use at most, plus the new one: so the budget holds
    while nobody looks. The same is told to Slurm as `--deadline`.
    """
    limits = state.campaign.limits
    if len(state.live) >= limits.at_once:
        return "at_once"
    wanted_s = nodes * (limit_s + ENFORCEMENT_S)
    if limits.node_hours is not None and state.used_s + state.reserved_s + wanted_s > limits.node_hours * 3600:
        return "node_hours"
    if limits.deadline_s is not None and now_s + limit_s + ENFORCEMENT_S > limits.deadline_s:
        return "deadline"
    return None


def enough(state: State, finished: bool, now_s: float) -> str | None:
    """Why the campaign asks for no further point; None while it goes on."""
    campaign = state.campaign
    stop, limits = campaign.stop, campaign.limits
    best = state.best_value
    if finished:
        return "the optimiser has converged"
    if len(state.points) >= limits.points:
        return f"{limits.points} points were asked for"
    if stop.points_without_gain is not None and state.since_gain >= stop.points_without_gain and best is not None:
        return f"{state.since_gain} results without gain"
    if stop.target is not None and best is not None and best <= campaign.objectives[0].minimised(stop.target):
        return "the target was reached"
    if state.repeated >= 50:
        return "the optimiser only asks for points that it knows"
    if not state.live and (why := room(state, campaign.job.nodes, campaign.job.time_s, now_s)):
        return f"limit reached: {why}"
    return None
