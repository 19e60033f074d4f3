"""Campaigns to their views: one for page, JSON and CSV. Pure. Fed by `web.pages.campaign` with what the room knows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from slurmlens.hub.campaigns.facts import KeptCampaign, ToldCampaign
from slurmlens.hub.views.campaign.idle import IdlePartition
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table
from slurmlens.wire.campaign_view import CampaignView

STALE_NS = 180 * 10**9
"""A controller tells at least once a minute; silent for longer it is not running, or cannot reach the hub."""
_HEADER = ("user", "name", "state", "goal", "points", "running", "node_hours", "opened", "told")


class CampaignLine(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign in the list; `is_silent`: it should be running and nothing was heard of it."""

    user: str
    name: str
    state: str
    goal: str
    points: int
    running: int
    best: dict[str, float]
    node_hours: float
    opened_ns: int
    told_ns: int
    is_silent: bool


class CampaignsView(msgspec.Struct, frozen=True, kw_only=True):
    """The list, the latest told first."""

    cluster: str
    made_ns: int
    rows: tuple[CampaignLine, ...]
    idle: tuple[IdlePartition, ...] = ()
    """What is idle now, by partition: where runs of a further campaign would begin at once."""


class CampaignPageView(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign, whose it is and when that was told."""

    cluster: str
    user: str
    made_ns: int
    told_ns: int
    is_silent: bool
    campaign: CampaignView


def build_campaigns_view(
    cluster: str, kept: Sequence[KeptCampaign], now_ns: int, idle: Sequence[IdlePartition] = ()
) -> CampaignsView:
    """The list of these."""
    rows = tuple(
        CampaignLine(
            user=one.user,
            name=one.name,
            opened_ns=one.opened_ns,
            told_ns=one.told_ns,
            is_silent=_is_silent(one.summary.state, one.told_ns, now_ns),
            **msgspec.structs.asdict(one.summary),
        )
        for one in kept
    )
    return CampaignsView(cluster=cluster, made_ns=now_ns, rows=rows, idle=tuple(idle))


def build_campaign_view(cluster: str, told: ToldCampaign, now_ns: int) -> CampaignPageView:
    """The view of one."""
    return CampaignPageView(
        cluster=cluster,
        user=told.user,
        made_ns=now_ns,
        told_ns=told.told_ns,
        is_silent=_is_silent(told.view.state, told.told_ns, now_ns),
        campaign=told.view,
    )


def campaigns_csv(view: CampaignsView) -> str:
    """A line a campaign."""
    return csv_table(
        _HEADER,
        (
            (
                row.user,
                row.name,
                row.state,
                row.goal,
                row.points,
                row.running,
                row.node_hours,
                fmt.iso(row.opened_ns),
                fmt.iso(row.told_ns),
            )
            for row in view.rows
        ),
    )


def _is_silent(state: str, told_ns: int, now_ns: int) -> bool:
    return state in ("running", "stopping") and now_ns - told_ns > STALE_NS
