"""From a campaign's state to what is seen of it, which page, terminal, CSV and the hub share. Pure.

Used by the commands of `slurmlens campaign`; `wire.campaign_view` has the types.
"""

from __future__ import annotations

from slurmlens.campaign.fold import PointState, State
from slurmlens.campaign.pareto import front
from slurmlens.campaign.record import AttemptOutcome, PointVerdict
from slurmlens.wire.campaign_view import AttemptView, CampaignView, PointView


def campaign_view(state: State, *, trouble: str | None = None) -> CampaignView:
    """The view of a state; `trouble` is what stands in the way at this moment."""
    campaign = state.campaign
    points = [_point(point) for point in state.points]
    counts: dict[str, int] = {}
    for one in points:
        counts[one.state] = counts.get(one.state, 0) + 1
    lost = [
        attempt.ended
        for point in state.points
        for attempt in point.attempts
        if attempt.ended
        and attempt.ended.outcome in (AttemptOutcome.NODE, AttemptOutcome.GAVE_WAY, AttemptOutcome.LOST)
    ]
    word, why = _state(state)
    return CampaignView(
        name=campaign.name,
        state=word,
        why=why,
        optimiser=campaign.optimiser.use,
        objectives=[f"{'max' if one.maximise else 'min'} {one.name}" for one in campaign.objectives],
        constraints=[_bounds(one.name, one.least, one.most) for one in campaign.constraints],
        opened_s=state.opened.at_s if state.opened else None,
        events=state.events,
        counts=counts,
        points_limit=campaign.limits.points,
        best=state.best.number if state.best else None,
        since_gain=state.since_gain,
        points_without_gain=campaign.stop.points_without_gain,
        used_node_hours=state.used_s / 3600,
        reserved_node_hours=state.reserved_s / 3600,
        node_hours_limit=campaign.limits.node_hours,
        saved_low_node_hours=state.saved_low_s / 3600,
        saved_high_node_hours=state.saved_high_s / 3600,
        lost_node_hours=sum(one.node_seconds for one in lost) / 3600,
        lost_attempts=len(lost),
        trouble=trouble,
        trace=[(number, campaign.objectives[0].minimised(value)) for number, value in state.trace],
        front=[point.number for point in front(state)] if len(campaign.objectives) > 1 else [],
        points=points,
    )


def _state(state: State) -> tuple[str, str | None]:
    if state.closed is not None:
        return "ended", state.closed.reason
    if state.paused is not None:
        return "paused", state.paused
    if state.stopping is not None:
        return "stopping", state.stopping.reason
    return "running", None


def _bounds(name: str, least: float | None, most: float | None) -> str:
    below = f"{least:g} ≤ " if least is not None and most is not None else ""
    if most is not None:
        return f"{below}{name} ≤ {most:g}"
    return f"{name} ≥ {least:g}"


def _point(point: PointState) -> PointView:
    told = point.told
    return PointView(
        point=point.number,
        state=told.verdict.value if told else _progress(point),
        parameters=dict(point.parameters),
        values=dict(told.values) if told else {},
        feasible=point.feasible,
        reason=(told.reason if told else "") or _excess(point),
        same_as=point.asked.same_as,
        attempts=[
            AttemptView(
                attempt=one.intent.attempt,
                job_id=one.job_id,
                state=one.ended.outcome.value if one.ended else "running" if one.running else "queued",
                reason=one.ended.reason if one.ended else one.unknown.reason if one.unknown and not one.job_id else "",
                nodes=one.ended.node_list if one.ended else one.running.node_list if one.running else "",
                node_seconds=one.ended.node_seconds if one.ended else 0.0,
                source=one.ended.source if one.ended else "none",
            )
            for one in point.attempts
        ],
    )


def _progress(point: PointState) -> str:
    if not point.attempts or point.attempts[-1].ended is not None:
        return "waiting"
    return "running" if point.attempts[-1].running else "queued"


def _excess(point: PointState) -> str:
    told = point.told
    if told is None or told.verdict is not PointVerdict.FINE or told.excess <= 0:
        return ""
    return f"breaks constraints by {told.excess:.3g}"
