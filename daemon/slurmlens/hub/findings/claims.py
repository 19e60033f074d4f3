"""What detectors and known problems say, and what becomes of it: the types of this room.

Owns `Claim` (one detector's word at one moment), `Finding` (a claim as it is kept, with its incident, state and rank)
and `Said` (what a person said of a finding). Does no input or output. Times are nanoseconds since the epoch (UTC). A
score is the negative decimal logarithm of the chance on which the claim stands (2 is one in a hundred); where there is
no chance to give, the detector states a constant and `p` is None.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.runs import RunNumber

Value = str | int | float


class FindingKind(enum.StrEnum):
    """Which detector; a known problem's own name stands in the claim's `detail`."""

    FAILING_NODE = "failing-node"
    ODD_NODE = "odd-node"
    EVENT_RATE = "event-rate"
    BROKEN_DEVICE = "broken-device"
    HELD_IDLE = "held-idle"
    STOPPED = "stopped-computing"
    DRIFT = "drift"
    USED_OUTSIDE = "used-outside"
    UNLIKE_ITSELF = "unlike-itself"
    KNOWN_PROBLEM = "known-problem"


class FindingState(enum.StrEnum):
    """OPEN: it holds. QUIET: it holds, but what people said of its kind ranks it below the line. SILENCED: somebody
    does not want to hear of it for a while. CLOSED: it holds no more, `closed_why` says by what."""

    OPEN = "open"
    QUIET = "quiet"
    SILENCED = "silenced"
    CLOSED = "closed"


class ClosedWhy(enum.StrEnum):
    """By what a finding ended."""

    VERIFIED = "verified"
    CONTAINED = "contained"
    WITH_INCIDENT = "with-incident"
    FADED = "faded"
    DISMISSED = "dismissed"


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One detector's word. Two claims of one `kind`, `subject` and `detail` are one finding.

    `sentence` and `basis` are for those who see all jobs; `hint` is for whoever sees his own alone, and holds nothing
    of anybody else's. `jobs` are those that were touched, `runs` which runs of them, as far as the detector saw runs
    and not lines alone; `values` is what a guide is filled in with.
    """

    kind: FindingKind
    subject: Entity
    detail: str = ""
    score: float
    p: float | None = None
    basis: str
    from_ns: int
    to_ns: int
    jobs: tuple[int, ...] = ()
    runs: tuple[RunNumber, ...] = ()
    entities: tuple[Entity, ...] = ()
    sentence: str
    hint: str
    values: dict[str, Value] = {}

    @property
    def key(self) -> ClaimKey:
        """What makes it the same finding."""
        return ClaimKey(self.kind, self.subject, self.detail)


class ClaimKey(NamedTuple):
    """One finding is about one thing in one respect."""

    kind: FindingKind
    subject: Entity
    detail: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A claim as it is kept. `incident` is the number of the finding that its incident began with.

    `rank` is the score after what people said of its kind; `rank_note` says how, where they said something.
    """

    number: int
    claim: Claim
    incident: int
    state: FindingState
    rank: float
    rank_note: str | None = None
    first_ns: int
    last_ns: int
    closed_ns: int | None = None
    closed_why: ClosedWhy | None = None

    @property
    def is_over(self) -> bool:
        return self.state is FindingState.CLOSED

    @property
    def name(self) -> str:
        """As people write it: F-12."""
        return f"F-{self.number}"


class Word(enum.StrEnum):
    """What can be said of a finding."""

    CONFIRM = "confirm"
    DISMISS = "dismiss"
    LABEL = "label"
    SILENCE = "silence"


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody said of a finding; `label` is a LABEL's text, `until_ns` a SILENCE's end."""

    number: int
    finding: int
    kind: FindingKind
    subject: Entity
    detail: str = ""
    word: Word
    who: str
    at_ns: int
    label: str | None = None
    until_ns: int | None = None
    undone_ns: int | None = None
    undone_by: str | None = None

    @property
    def stands(self) -> bool:
        return self.undone_ns is None
