"""Investigations as people see them: the types that page, file, JSON and terminal share.

Owns the types; made by `build`. The field names are the JSON's.
"""

from __future__ import annotations

import msgspec


class AnswerView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a question is answered to whoever looks: a table of texts; `address` shows the same live. `more`: there are
    rows beyond those shown. `problem` says why there is no answer."""

    question: str
    address: str
    sentence: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: bool = False
    problem: str | None = None


class ThingLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A thing that is investigated."""

    kind: str
    name: str
    address: str | None = None


class NoteLine(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote."""

    who: str
    at_ns: int
    text: str


class InvestigationLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One investigation in a list."""

    name: str
    title: str
    owner: str
    from_ns: int
    to_ns: int
    changed_ns: int
    things: tuple[ThingLine, ...] = ()
    is_shared: bool = False
    conclusion: str | None = None


class InvestigationsView(msgspec.Struct, frozen=True, kw_only=True):
    """All that the viewer may see, the latest changed first."""

    cluster: str
    made_ns: int
    sentence: str
    rows: tuple[InvestigationLine, ...]


class InvestigationView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One investigation with its questions answered now, over its window."""

    cluster: str
    made_ns: int
    line: InvestigationLine
    begun_at: str | None = None
    again_of: str | None = None
    answers: tuple[AnswerView, ...] = ()
    notes: tuple[NoteLine, ...] = ()
    conclusion: NoteLine | None = None
    may_change: bool = False
