"""What a reader sees of a campaign: one model, from which terminal, page, CSV and JSON are made.

Owns `CampaignView` and its JSON, which is also what a campaign's controller tells the hub. The field names are the
JSON's; seconds and values are raw, None is what is not known. Made by `campaign.view`, shown by `shown.campaign`, kept
by `hub.campaigns`. Whatever was decoded fits into columns and has a cost that is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from slurmlens.errors import DecodeError

VIEW_VERSION = 1
MOST_POINTS = 100_000
MOST_NAMES = 200
"""Parameters and figures together: each is a column of every table."""
MOST_COUNT = 2**53
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_COUNT)]
Moment = Annotated[float, msgspec.Meta(ge=0, le=9_214_646_399)]
"""Seconds since the epoch, to the end of 2261: nanoseconds of them fit into a database."""
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,30}\Z")]
"""A campaign's, as `campaign.settings` takes it."""
Goal = Annotated[str, msgspec.Meta(pattern=r"^(min|max) ")]


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One job of a point."""

    attempt: Count
    job_id: Count | None
    state: str
    reason: str
    nodes: str
    node_seconds: float
    source: str


class PointView(msgspec.Struct, frozen=True, kw_only=True):
    """One point; `state` is waiting, queued, running, fine, infeasible, stopped or withdrawn."""

    point: Count
    state: str
    parameters: dict[str, float | int | str]
    values: dict[str, float]
    feasible: bool
    reason: str
    same_as: Count | None
    attempts: list[AttemptView]

    @property
    def job_id(self) -> int | None:
        """The job of its last attempt; None where none has one."""
        return next((one.job_id for one in reversed(self.attempts) if one.job_id), None)


class CampaignView(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign at a moment. `trace` is (point, best objective) whenever it improved; `front` are points' numbers.

    `events` is how many events its journal has: of two views the one with more is the newer.
    """

    version: int = VIEW_VERSION
    name: Name
    state: str
    why: str | None
    optimiser: str
    objectives: list[Goal]
    constraints: list[str]
    opened_s: Moment | None
    events: Count = 0
    counts: dict[str, Count]
    points_limit: Count
    best: Count | None
    since_gain: Count
    points_without_gain: Count | None
    used_node_hours: float
    reserved_node_hours: float
    node_hours_limit: float | None
    saved_low_node_hours: float
    saved_high_node_hours: float
    lost_node_hours: float
    lost_attempts: Count
    trouble: str | None
    trace: list[tuple[Count, float]]
    front: list[Count]
    points: list[PointView]


_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(CampaignView)


def encode_campaign(view: CampaignView) -> bytes:
    """The view as JSON."""
    return msgspec.json.encode(view)


def decode_campaign(data: bytes) -> CampaignView:
    """The view from JSON; DecodeError where it is none, of another version, or larger than anybody's campaign."""
    try:
        view: CampaignView = _DECODER.decode(data)
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError(f"no campaign: {error}", reason="campaign") from error
    if view.version != VIEW_VERSION:
        raise DecodeError(f"a campaign in version {view.version}, not {VIEW_VERSION}", reason="campaign_version")
    if problem := next(_too_much(view), None):
        raise DecodeError(f"a campaign of {problem}", reason="campaign_size")
    return view


def _too_much(view: CampaignView) -> Iterator[str]:
    """What a page could not show: its cost is bounded here, whoever tells."""
    for what, count in (("points", view.points), ("points on the front", view.front), ("gains", view.trace)):
        if len(count) > MOST_POINTS:
            yield f"{len(count)} {what}, more than {MOST_POINTS}"
    names: set[str] = {*view.counts, *view.objectives, *view.constraints}
    for point in view.points:
        names.update(point.parameters, point.values)
        if len(names) > MOST_NAMES:
            yield f"more than {MOST_NAMES} parameters, figures and states"
            return
