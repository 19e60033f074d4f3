"""What can happen in a campaign: one type an event, and their text in the journal.

Owns the events. Each says one thing that has been decided or seen; nothing in them is derived. Their order in the
journal is the only order there is. Made by `controller` and `runner`, kept by `journal`, folded by `fold`, replayed by
`search`.

Numbers are JSON's shortest text that reads back equal (msgspec), for a rounded number would break the replay.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from slurmlens.campaign.space import Parameters
from slurmlens.errors import DecodeError


class AttemptOutcome(enum.Enum):
    """How an attempt ended, by what has to follow."""

    FINE = "fine"
    APPLICATION = "application"
    TIME = "time"
    MEMORY = "memory"
    NODE = "node"
    GAVE_WAY = "gave way"
    LOST = "lost"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"
    DEADLINE = "deadline"


class PointVerdict(enum.Enum):
    """What an optimiser is told of a point."""

    FINE = "fine"
    INFEASIBLE = "infeasible"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """`at_s` is seconds since the epoch, by the controller's clock; nothing but displays and limits read it."""

    at_s: float


class Opened(_Event, frozen=True, tag="opened"):
    """The campaign begins: its file as it was, and what it runs with."""

    name: str
    text: str
    versions: dict[str, str]


class Asked(_Event, frozen=True, tag="asked"):
    """The optimiser wants a point. `same_as`: an earlier point with equal parameters; `refused`: the rule it breaks."""

    point: int
    parameters: Parameters
    same_as: int | None = None
    refused: str | None = None
    excess: float = 0.0


class Intent(_Event, frozen=True, tag="intent"):
    """A job for a point will be submitted; its node time is reserved from here on."""

    point: int
    attempt: int
    nodes: int
    limit_s: float
    exclude: tuple[str, ...] = ()


class SubmissionUnknown(_Event, frozen=True, tag="unknown"):
    """A submission gave no job id: it may have happened, or happen yet."""

    point: int
    attempt: int
    reason: str


class AttemptHeld(_Event, frozen=True, tag="held"):
    """The attempt is this job, which waits held."""

    point: int
    attempt: int
    job_id: int


class Released(_Event, frozen=True, tag="released"):
    """The attempt's job was let go."""

    point: int
    attempt: int


class AttemptRunning(_Event, frozen=True, tag="running"):
    """The job was first seen at work."""

    point: int
    attempt: int
    started_s: float
    node_list: str = ""


class Cancel(_Event, frozen=True, tag="cancel"):
    """The job will be ended by us, and why; stands before scancel is called."""

    point: int
    attempt: int
    rule: str
    reason: str
    value: float | None = None
    saved_low_s: float = 0.0
    saved_high_s: float = 0.0


class AttemptEnded(_Event, frozen=True, tag="ended"):
    """The attempt is over. `node_seconds` by `source`: "job" (the run's own clock), "scheduler" or "none"."""

    point: int
    attempt: int
    outcome: AttemptOutcome
    reason: str = ""
    node_list: str = ""
    node_seconds: float = 0.0
    source: str = "none"
    values: dict[str, float] = {}


class PointTold(_Event, frozen=True, tag="told"):
    """The optimiser is told of a point, once."""

    point: int
    verdict: PointVerdict
    values: dict[str, float] = {}
    excess: float = 0.0
    reason: str = ""


class Paused(_Event, frozen=True, tag="paused"):
    """Nothing new is submitted until someone resumes."""

    reason: str


class Resumed(_Event, frozen=True, tag="resumed"):
    """Someone looked and said go on."""


class Stopping(_Event, frozen=True, tag="stopping"):
    """No further point is asked for; `cancel` ends what runs as well."""

    reason: str
    cancel: bool = False


class Closed(_Event, frozen=True, tag="closed"):
    """All is over and nothing of the campaign is left in the queue."""

    reason: str


Event = (
    Opened | Asked | Intent | SubmissionUnknown | AttemptHeld | Released | AttemptRunning | Cancel | AttemptEnded
    | PointTold | Paused | Resumed | Stopping
    | Closed
)  # fmt: skip

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """An event as it stands in the journal."""
    return _ENCODER.encode(event)


def decode(data: bytes) -> Event:
    """An event from the journal; DecodeError where it is none of ours."""
    try:
        event: Event = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise DecodeError(f"no event of a campaign: {error}", reason="journal") from error
    return event
