"""Campaigns as controllers tell them, made in a test."""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.wire.campaign_view import AttemptView, CampaignView, PointView


def told_campaign(
    name: str = "c", *, jobs: Sequence[int] = (), events: int = 10, state: str = "running"
) -> CampaignView:
    """A campaign with a point a job; the last is the best."""
    points = [_point(number, job_id) for number, job_id in enumerate(jobs, 1)]
    return CampaignView(
        name=name,
        state=state,
        why=None,
        optimiser="compass",
        objectives=["min y"],
        constraints=[],
        opened_s=1_000.0,
        events=events,
        counts={"fine": len(points)},
        points_limit=100,
        best=len(points) or None,
        since_gain=0,
        points_without_gain=20,
        used_node_hours=0.5,
        reserved_node_hours=0.0,
        node_hours_limit=None,
        saved_low_node_hours=0.0,
        saved_high_node_hours=0.0,
        lost_node_hours=0.0,
        lost_attempts=0,
        trouble=None,
        trace=[(number, 1.0 / number) for number in range(1, len(points) + 1)],
        front=[],
        points=points,
    )


def _point(number: int, job_id: int) -> PointView:
    attempt = AttemptView(
        attempt=1, job_id=job_id, state="fine", reason="", nodes="n1", node_seconds=60.0, source="job"
    )
    return PointView(
        point=number,
        state="fine",
        parameters={"x": 0.1 * number, "kind": "a"},
        values={"y": 1.0 / number},
        feasible=True,
        reason="",
        same_as=None,
        attempts=[attempt],
    )
