"""What an investigation asks that begins on a page: the questions whoever looks at such a page asks next. Pure.

Fed by `web.pages.investigations`, which reads the page's address and what it was about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.investigations.facts import (
    MOST_QUESTIONS,
    Investigation,
    Question,
    QuestionKind,
    check_window,
    clean_title,
    with_entities,
)

MARGIN_NS = 300 * 10**9
"""What led to something began before it, and its lines come after it."""
_OF_RUNS = ("node", "user", "account", "partition")


def begin(
    owner: str,
    now_ns: int,
    title: str,
    window: tuple[int, int],
    entities: Sequence[Entity],
    *,
    questions: Sequence[Question] = (),
    begun_at: str | None = None,
) -> Investigation:
    """One that is not kept yet: the page's own `questions` first, then those that suit its entities."""
    check_window(*window)
    things = with_entities((), entities)
    every = dict.fromkeys((*questions, *_usual(things)))
    return Investigation(
        owner=owner,
        title=clean_title(title),
        from_ns=window[0],
        to_ns=window[1],
        entities=things,
        questions=tuple(every)[:MOST_QUESTIONS],
        begun_at=begun_at,
        made_ns=now_ns,
        changed_ns=now_ns,
    )


def _usual(entities: Sequence[Entity]) -> Iterator[Question]:
    """Answers first: what is known to be wrong, what failed, what failures share; what one reads line by line last."""
    for one in entities:
        if one.kind in ("job", "node"):
            yield Question(QuestionKind.FINDINGS, one)
        if one.kind == "job":
            yield Question(QuestionKind.JOBS, one)
        elif one.kind in _OF_RUNS:
            yield Question(QuestionKind.JOBS, one, failed=True)
    if not entities:
        yield Question(QuestionKind.FINDINGS)
        yield Question(QuestionKind.JOBS, failed=True)
    yield Question(QuestionKind.COMMON_CAUSE)
    for one in entities:
        if one.kind == "node":
            yield Question(QuestionKind.CHANGES, one)
        if one.kind in ("job", "node"):
            yield Question(QuestionKind.LINES, one)


def around(begin_ns: int | None, end_ns: int | None, now_ns: int) -> tuple[int, int]:
    """The window around something that was from `begin_ns` to `end_ns`; what still is ends now."""
    to_ns = min(now_ns, (end_ns if end_ns is not None else now_ns) + MARGIN_NS)
    from_ns = (begin_ns if begin_ns is not None else to_ns - 86_400 * 10**9) - MARGIN_NS
    return max(0, min(from_ns, to_ns - 1)), to_ns
