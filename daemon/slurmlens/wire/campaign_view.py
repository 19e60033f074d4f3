"""What a reader sees of a campaign: one model, from which terminal, page, CSV and JSON are made.

Owns `CampaignView` and its JSON, which is also what a campaign's controller tells the hub. The field names are the
JSON's; seconds and values are raw, None is what is not known. Made by `campaign.view`, shown by `shown.campaign`, kept
by `hub.campaigns`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from slurmlens.errors import DecodeError

VIEW_VERSION = 1
MOST_POINTS = 100_000


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One job of a point."""

    attempt: int
    job_id: int | None
    state: str
    reason: str
    nodes: str
    node_seconds: float
    source: str


class PointView(msgspec.Struct, frozen=True, kw_only=True):
    """One point; `state` is waiting, queued, running, fine, infeasible, stopped or withdrawn."""

    point: int
    state: str
    parameters: dict[str, float | int | str]
    values: dict[str, float]
    feasible: bool
    reason: str
    same_as: int | None
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
    name: str
    state: str
    why: str | None
    optimiser: str
    objectives: list[str]
    constraints: list[str]
    opened_s: float | None
    events: int = 0
    counts: dict[str, int]
    points_limit: int
    best: int | None
    since_gain: int
    points_without_gain: int | None
    used_node_hours: float
    reserved_node_hours: float
    node_hours_limit: float | None
    saved_low_node_hours: float
    saved_high_node_hours: float
    lost_node_hours: float
    lost_attempts: int
    trouble: str | None
    trace: list[tuple[int, float]]
    front: list[int]
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
    if len(view.points) > MOST_POINTS:
        raise DecodeError(f"a campaign of {len(view.points)} points, more than {MOST_POINTS}", reason="campaign_size")
    return view
