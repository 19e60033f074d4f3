"""An investigation and the ways in which it changes. Pure.

Owns the types that are kept (as JSON) and their bounds. An investigation holds questions, not answers: whoever opens it
is answered what he may see, at that time. Every change gives a new value; who may change what is decided by `keeping`.
Times are nanoseconds since the epoch (UTC).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from slurmlens.errors import DecodeError, RefusedError
from slurmlens.hub.inventory.entities import Entity

MOST_ENTITIES = 32
MOST_QUESTIONS = 20
MOST_NOTES = 200
LONGEST_TITLE = 120
LONGEST_TEXT = 4_000
LONGEST_WORDS = 200
LONGEST_WINDOW_NS = 400 * 86_400 * 10**9


class QuestionKind(enum.StrEnum):
    """What can be asked of a window: runs that were there, log lines, findings, what failures have in common, and what
    changed about a thing."""

    JOBS = "jobs"
    LINES = "lines"
    FINDINGS = "findings"
    COMMON_CAUSE = "common-cause"
    CHANGES = "changes"


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question; `about` narrows it to a thing, `words` to lines with these words, `failed` to runs that failed."""

    kind: QuestionKind
    about: Entity | None = None
    words: str | None = None
    failed: bool = False


class InvestigationNote(msgspec.Struct, frozen=True):
    """What somebody wrote down."""

    who: str
    at_ns: int
    text: str


class Investigation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Window, things, questions, notes, conclusion. `begun_at` is the page on which it began, `again_of` the number of
    the one whose questions it asks again. Number 0 is one that is not kept yet."""

    number: int = 0
    owner: str
    title: str
    from_ns: int
    to_ns: int
    entities: tuple[Entity, ...] = ()
    questions: tuple[Question, ...] = ()
    notes: tuple[InvestigationNote, ...] = ()
    conclusion: InvestigationNote | None = None
    is_shared: bool = False
    begun_at: str | None = None
    again_of: int | None = None
    made_ns: int
    changed_ns: int

    @property
    def name(self) -> str:
        """As people write it: I-3."""
        return f"I-{self.number}"

    @property
    def window(self) -> tuple[int, int]:
        return self.from_ns, self.to_ns


def noted(one: Investigation, who: str, now_ns: int, text: str) -> Investigation:
    """With one more note."""
    if len(one.notes) >= MOST_NOTES:
        raise RefusedError(f"{one.name} has {MOST_NOTES} notes, more it cannot hold", reason="full", status=409)
    note = InvestigationNote(who, now_ns, _text(text, "a note"))
    return msgspec.structs.replace(one, notes=(*one.notes, note), changed_ns=now_ns)


def concluded(one: Investigation, who: str, now_ns: int, text: str) -> Investigation:
    """With this conclusion in place of any before; without any where it is empty."""
    conclusion = InvestigationNote(who, now_ns, _text(text, "a conclusion")) if text.strip() else None
    return msgspec.structs.replace(one, conclusion=conclusion, changed_ns=now_ns)


def shared(one: Investigation, now_ns: int, *, is_shared: bool) -> Investigation:
    """Seen by everybody whom the hub knows, each with answers of his own, or by its owner and operators alone."""
    return msgspec.structs.replace(one, is_shared=is_shared, changed_ns=now_ns)


def asked(one: Investigation, now_ns: int, question: Question) -> Investigation:
    """With one more question, and the thing that it is about."""
    if question in one.questions:
        return one
    if len(one.questions) >= MOST_QUESTIONS:
        raise RefusedError(f"{one.name} asks {MOST_QUESTIONS} questions already", reason="full", status=409)
    entities = one.entities if question.about is None else with_entities(one.entities, [question.about])
    return msgspec.structs.replace(one, questions=(*one.questions, question), entities=entities, changed_ns=now_ns)


def dropped(one: Investigation, now_ns: int, place: int) -> Investigation:
    """Without the question at a place, counted from 0."""
    questions = tuple(question for at, question in enumerate(one.questions) if at != place)
    return msgspec.structs.replace(one, questions=questions, changed_ns=now_ns)


def moved(one: Investigation, now_ns: int, from_ns: int, to_ns: int) -> Investigation:
    """Over another window."""
    check_window(from_ns, to_ns)
    return msgspec.structs.replace(one, from_ns=from_ns, to_ns=to_ns, changed_ns=now_ns)


def titled(one: Investigation, now_ns: int, title: str) -> Investigation:
    """Under another title."""
    return msgspec.structs.replace(one, title=clean_title(title), changed_ns=now_ns)


def again(one: Investigation, who: str, now_ns: int) -> Investigation:
    """A new one of the same questions, over a window as long that ends now."""
    return Investigation(
        owner=who,
        title=one.title,
        from_ns=now_ns - (one.to_ns - one.from_ns),
        to_ns=now_ns,
        entities=one.entities,
        questions=one.questions,
        begun_at=one.begun_at,
        again_of=one.number,
        made_ns=now_ns,
        changed_ns=now_ns,
    )


def with_entities(known: tuple[Entity, ...], more: Iterable[Entity]) -> tuple[Entity, ...]:
    """Each once, as many as there may be."""
    return tuple(dict.fromkeys((*known, *more)))[:MOST_ENTITIES]


def check_window(from_ns: int, to_ns: int) -> None:
    """DecodeError for a window that ends before it begins, or that is longer than a year and some."""
    if not 0 <= from_ns < to_ns:
        raise DecodeError("the window ends before it begins: `from` must be before `to`")
    if to_ns - from_ns > LONGEST_WINDOW_NS:
        raise DecodeError("the window is longer than 400 days")


def clean_title(text: str) -> str:
    """One line, within its length; DecodeError for nothing."""
    title = " ".join(text.split())[:LONGEST_TITLE]
    if not title:
        raise DecodeError("a title needs a word")
    return title


def _text(text: str, what: str) -> str:
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    if not text:
        raise DecodeError(f"{what} needs a word")
    if len(text) > LONGEST_TEXT:
        raise DecodeError(f"{what} holds {LONGEST_TEXT} characters at most")
    return text
