"""Investigations to what is shown of them, and answers to tables of texts: pure.

Fed by `web.pages.investigations` with what is kept, and by `web.investigating` with what reads answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from slurmlens.hub.findings.claims import Finding
from slurmlens.hub.inventory.entities import Entity, HeldFact
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.investigations.facts import Investigation, InvestigationNote, Question, QuestionKind
from slurmlens.hub.logs.query import StoredLine
from slurmlens.hub.views.common_cause.build import cause_name
from slurmlens.hub.views.common_cause.view import CommonCauseView
from slurmlens.hub.views.finding.build import build_finding_line
from slurmlens.hub.views.investigation.view import (
    AnswerView,
    InvestigationLine,
    InvestigationsView,
    InvestigationView,
    NoteLine,
    ThingLine,
)
from slurmlens.hub.views.logs.build import log_row
from slurmlens.hub.views.neighbourhood.build import entity_address
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

MOST_ROWS = 100
_WHOLE_TEXT = 300
_LINES_OF = {"node": "node", "job": "job", "user": "user", "partition": "partition"}


def build_investigations_view(cluster: str, found: Sequence[Investigation], now_ns: int) -> InvestigationsView:
    """The list."""
    words = f"{fmt.count(len(found), 'investigation')}." if found else "No investigation that you may see."
    return InvestigationsView(
        cluster=cluster, made_ns=now_ns, sentence=words, rows=tuple(build_line(one) for one in found)
    )


def build_line(one: Investigation) -> InvestigationLine:
    """One, as lists show it."""
    return InvestigationLine(
        name=one.name,
        title=visible(one.title),
        owner=visible(one.owner),
        from_ns=one.from_ns,
        to_ns=one.to_ns,
        changed_ns=one.changed_ns,
        things=tuple(
            ThingLine(kind=thing.kind, name=visible(thing.name), address=entity_address(thing))
            for thing in one.entities
        ),
        is_shared=one.is_shared,
        conclusion=None if one.conclusion is None else visible(one.conclusion.text),
    )


def build_investigation_view(
    cluster: str, one: Investigation, answers: Sequence[AnswerView], now_ns: int, *, may_change: bool
) -> InvestigationView:
    """One with its answers."""
    return InvestigationView(
        cluster=cluster,
        made_ns=now_ns,
        line=build_line(one),
        begun_at=one.begun_at,
        again_of=None if one.again_of is None else f"I-{one.again_of}",
        answers=tuple(answers),
        notes=tuple(map(_note, one.notes)),
        conclusion=None if one.conclusion is None else _note(one.conclusion),
        may_change=may_change,
    )


def _note(note: InvestigationNote) -> NoteLine:
    return NoteLine(who=visible(note.who), at_ns=note.at_ns, text=note.text)


def question_words(question: Question) -> str:
    """What is asked."""
    about = question.about
    name = "" if about is None else visible(f" of {about.kind} {about.name}")
    if question.kind is QuestionKind.JOBS:
        return f"Runs that failed{name}" if question.failed else f"Runs{name}"
    if question.kind is QuestionKind.LINES:
        return f"Log lines{name}" + (f" with {visible(question.words)!r}" if question.words else "")
    if question.kind is QuestionKind.FINDINGS:
        return f"Findings{name}"
    if question.kind is QuestionKind.CHANGES:
        return f"What changed{name}"
    return "What failures have in common"


def live_address(question: Question, window: tuple[int, int]) -> str:
    """The page that shows the same live."""
    begin, end = (fmt.iso_s(moment_ns) for moment_ns in window)
    about = question.about
    if question.kind is QuestionKind.LINES:
        filters = {"since": begin, "until": end}
        filters |= {"text": question.words} if question.words else {}
        filters |= {_LINES_OF[about.kind]: about.name} if about is not None and about.kind in _LINES_OF else {}
        return f"/logs?{urlencode(filters)}"
    if question.kind is QuestionKind.COMMON_CAUSE:
        return f"/common-cause?{urlencode({'from': begin, 'to': end})}"
    if question.kind is QuestionKind.FINDINGS and about is None:
        return "/findings"
    if about is None:
        return "/jobs?state=failed"
    page = entity_address(about) or "/jobs"
    query = {"since": begin, "at": end} if about.kind not in ("job", "campaign") else {}
    return f"{page}?{urlencode(query)}" if query else page


def unanswered(question: Question, window: tuple[int, int], problem: str) -> AnswerView:
    """A question that could not be answered."""
    words = question_words(question)
    return AnswerView(question=words, address=live_address(question, window), sentence=problem, problem=problem)


def _answer(
    question: Question,
    window: tuple[int, int],
    header: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    *,
    one: str,
    more: bool = False,
) -> AnswerView:
    shown = tuple(rows[:MOST_ROWS])
    has_more = more or len(rows) > len(shown)
    number = f"{fmt.count(len(rows), one)}{' and more' if more else ''}" if rows else "Nothing"
    return AnswerView(
        question=question_words(question),
        address=live_address(question, window),
        sentence=f"{number} in the window.",
        header=header,
        rows=shown,
        more=has_more,
    )


def runs_answer(question: Question, window: tuple[int, int], runs: Sequence[PlacedRun], *, more: bool) -> AnswerView:
    """Runs, newest first."""
    rows = [
        (
            f"{run.job_id}/{run.run}" if run.run > 1 else str(run.job_id),
            run.state.value,
            visible(run.user or "–"),
            visible(run.name or "–"),
            fmt.iso(run.start_ns) or "–",
            fmt.iso(run.end_ns) or "–",
            visible(", ".join(run.nodes[:8])) + (f" and {len(run.nodes) - 8} more" if len(run.nodes) > 8 else ""),
        )
        for run in runs
    ]
    header = ("Job", "State", "User", "Name", "Began", "Ended", "Nodes")
    return _answer(question, window, header, rows, one="run", more=more)


def lines_answer(question: Question, window: tuple[int, int], lines: Sequence[StoredLine], *, more: bool) -> AnswerView:
    """Log lines, newest first."""
    rows = []
    for stored in lines:
        row = log_row(stored)
        message = visible(row.message)
        rows.append((fmt.iso(row.time_ns) or "", visible(row.node), row.severity, row.job or "", message[:_WHOLE_TEXT]))
    return _answer(question, window, ("Time", "Node", "Severity", "Job", "Line"), rows, one="line", more=more)


def findings_answer(question: Question, window: tuple[int, int], findings: Sequence[Finding]) -> AnswerView:
    """Findings whose evidence lies in the window."""
    lines = [build_finding_line(finding) for finding in findings]
    rows = [(one.name, one.kind_words, one.state_words, f"{one.rank:g}", one.sentence) for one in lines]
    return _answer(question, window, ("Finding", "Kind", "State", "Rank", "Sentence"), rows, one="finding")


def causes_answer(question: Question, window: tuple[int, int], found: CommonCauseView) -> AnswerView:
    """The best candidates."""
    rows = [
        (cause_name(one.cause), "named" if one.cause.is_named else "not named", f"{one.cause.q:.2g}", one.sentence)
        for one in found.causes[:20]
    ]
    return _answer(question, window, ("Candidate", "", "q", "Counts"), rows, one="candidate")


def changes_answer(question: Question, window: tuple[int, int], facts: Sequence[HeldFact]) -> AnswerView:
    """Facts that began or ended in the window, newest first."""
    moments = [
        (moment_ns, fact, word)
        for fact in facts
        for moment_ns, word in ((fact.valid_from_ns, "is"), (fact.valid_to_ns, "is no more"))
        if window[0] < moment_ns <= window[1]
    ]
    moments.sort(key=lambda one: (-one[0], one[1].attribute, one[2]))
    rows = [
        (fmt.iso(moment_ns) or "", visible(fact.attribute), word, visible(str(fact.value))[:_WHOLE_TEXT])
        for moment_ns, fact, word in moments
    ]
    return _answer(question, window, ("Time", "What", "", "Value"), rows, one="change")


def entity_of(kind: str, name: str, known: Mapping[str, str]) -> Entity | None:
    """An entity as people name it; None for a kind that there is none of."""
    name = name.strip()
    return Entity(kind, name) if kind in known and 0 < len(name) <= 200 else None
