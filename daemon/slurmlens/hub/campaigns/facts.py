"""Values of this room: one line about a campaign, and a campaign as it was told last. Pure."""

from __future__ import annotations

import msgspec

from slurmlens.wire.campaign_view import CampaignView


class CampaignSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows; `best` are the figures of the best point, empty before there is one."""

    state: str
    goal: str
    points: int
    running: int
    best: dict[str, float]
    node_hours: float


class KeptCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list."""

    user: str
    name: str
    opened_ns: int
    told_ns: int
    summary: CampaignSummary


class ToldCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign, whose it is, and when its controller told this."""

    user: str
    told_ns: int
    view: CampaignView


def summary_of(view: CampaignView) -> CampaignSummary:
    """The line about a view."""
    best = next((point.values for point in view.points if point.point == view.best), {})
    return CampaignSummary(
        state=view.state,
        goal=", ".join(view.objectives),
        points=len(view.points),
        running=view.counts.get("running", 0),
        best=dict(best),
        node_hours=view.used_node_hours,
    )
