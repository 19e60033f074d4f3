"""What is shown of findings: one type for page, JSON, CSV and terminal.

Owns the types; made by `build`. The field names are the JSON's. Values are raw; words stand beside them.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.findings.claims import FindingKind, FindingState, Value
from slurmlens.hub.findings.problems.guide import Guide


class FindingLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding. `tone` is how it is painted; `score` before, `rank` after what people said of its kind."""

    number: int
    name: str
    incident: int
    kind: FindingKind
    kind_words: str
    subject_kind: str
    subject: str
    subject_address: str | None = None
    state: FindingState
    state_words: str
    tone: str
    sentence: str
    basis: str = ""
    p: float | None = None
    score: float
    rank: float
    rank_note: str | None = None
    first_ns: int
    last_ns: int
    from_ns: int
    to_ns: int
    closed_ns: int | None = None
    jobs: tuple[int, ...] = ()


class IncidentLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Findings that belong together: the one that says most first, a known problem before all."""

    lead: FindingLine
    others: tuple[FindingLine, ...] = ()


class FindingsView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All findings, by incident: those that are not over by rank, or those that are, the latest first."""

    cluster: str
    made_ns: int
    sentence: str
    is_over: bool = False
    rows: tuple[IncidentLine, ...] = ()
    quiet: int = 0
    silenced: int = 0
    rule: str


class WordLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody said of a finding."""

    number: int
    finding: int
    at_ns: int
    who: str
    words: str
    is_undone: bool = False


class GuideView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A known problem's guide with this incident's values, what became of it, and how it fared before."""

    finding: int
    guide: Guide
    helped: str
    is_over: bool = False


class RelatedEntity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A thing that a finding names."""

    kind: str
    name: str
    address: str | None = None


class FindingView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding with its incident."""

    cluster: str
    made_ns: int
    finding: FindingLine
    incident: tuple[FindingLine, ...] = ()
    guides: tuple[GuideView, ...] = ()
    entities: tuple[RelatedEntity, ...] = ()
    values: dict[str, Value] = {}
    words: tuple[WordLine, ...] = ()
    may_judge: bool = False
    rule: str = ""


class FeedbackView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that people said, the newest first: feedback to be taken elsewhere."""

    cluster: str
    made_ns: int
    words: tuple[FeedbackLine, ...]


class FeedbackLine(msgspec.Struct, frozen=True, kw_only=True):
    """One word with what it was said of."""

    number: int
    finding: int
    kind: str
    subject_kind: str
    subject: str
    detail: str
    word: str
    who: str
    at_ns: int
    label: str | None
    until_ns: int | None
    undone_ns: int | None
    undone_by: str | None
