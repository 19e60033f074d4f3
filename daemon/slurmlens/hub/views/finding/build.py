"""Findings to what is shown of them: pure. Fed with the room's answers; feeds page, JSON, CSV and terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slurmlens.hub.findings.claims import ClosedWhy, Finding, FindingKind, FindingState, Said, Word
from slurmlens.hub.findings.facts import FindingFacts, Helped
from slurmlens.hub.findings.problems.guide import guide_of
from slurmlens.hub.findings.problems.problem import ProblemDefinition
from slurmlens.hub.findings.ranking import LINE, until_words
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.views.finding.view import (
    FeedbackLine,
    FeedbackView,
    FindingLine,
    FindingsView,
    FindingView,
    GuideView,
    IncidentLine,
    RelatedEntity,
    WordLine,
)
from slurmlens.hub.views.neighbourhood.build import entity_address
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

KIND_WORDS = {
    FindingKind.FAILING_NODE: "node fails jobs",
    FindingKind.ODD_NODE: "odd among its siblings",
    FindingKind.EVENT_RATE: "too many events",
    FindingKind.BROKEN_DEVICE: "device breaks",
    FindingKind.HELD_IDLE: "held and idle",
    FindingKind.STOPPED: "stopped computing",
    FindingKind.USED_OUTSIDE: "used without a job",
    FindingKind.DRIFT: "differs from its group",
    FindingKind.UNLIKE_ITSELF: "unlike itself",
    FindingKind.KNOWN_PROBLEM: "known problem",
}
RULE = (
    "Rank is the score (the negative decimal logarithm of the chance that a finding stands on) times"
    " 2 · (confirmed + 1) / (confirmed + dismissed + 2), by what people said of findings of the same kind within 180"
    f" days; below {LINE:g} a finding is kept and not shown as open. Words can be undone."
)
_CLOSED_WORDS = {
    ClosedWhy.VERIFIED: "over: verified",
    ClosedWhy.CONTAINED: "contained: its node was taken out of service",
    ClosedWhy.WITH_INCIDENT: "over with its incident",
    ClosedWhy.FADED: "over: nothing new of it",
    ClosedWhy.DISMISSED: "dismissed",
}
_STATE_WORDS = {
    FindingState.OPEN: "open",
    FindingState.QUIET: "quiet: below the line",
    FindingState.SILENCED: "silenced",
}
_BAD_FROM = 3.0


def build_finding_line(finding: Finding) -> FindingLine:
    """One finding, as lists show it."""
    claim = finding.claim
    over = _CLOSED_WORDS[finding.closed_why] if finding.closed_why else "over"
    is_open = finding.state is FindingState.OPEN
    return FindingLine(
        number=finding.number,
        name=finding.name,
        incident=finding.incident,
        kind=claim.kind,
        kind_words=KIND_WORDS[claim.kind],
        subject_kind=claim.subject.kind,
        subject=visible(claim.subject.name),
        subject_address=address_of(claim.subject),
        state=finding.state,
        state_words=_STATE_WORDS.get(finding.state, over),
        tone=("bad" if finding.rank >= _BAD_FROM else "warn") if is_open else "idle",
        sentence=visible(claim.sentence),
        basis=visible(claim.basis),
        p=claim.p,
        score=claim.score,
        rank=finding.rank,
        rank_note=None if finding.rank_note is None else visible(finding.rank_note),
        first_ns=finding.first_ns,
        last_ns=finding.last_ns,
        from_ns=claim.from_ns,
        to_ns=claim.to_ns,
        closed_ns=finding.closed_ns,
        jobs=claim.jobs,
    )


def address_of(entity: Entity) -> str | None:
    """The page of what a finding is about, where there is one."""
    return f"/jobs/{entity.name}" if entity.kind == "job" else entity_address(entity)


def build_findings_view(cluster: str, findings: Sequence[Finding], now_ns: int, *, is_over: bool) -> FindingsView:
    """The list, grouped by incident in the order of the findings."""
    shown = findings if is_over else [one for one in findings if one.state is FindingState.OPEN]
    hidden = () if is_over else [one for one in findings if one.state is not FindingState.OPEN]
    quiet = sum(one.state is FindingState.QUIET for one in hidden)
    rows = _incidents([*shown, *hidden])
    return FindingsView(
        cluster=cluster,
        made_ns=now_ns,
        sentence=_sentence(len(_incidents(shown)), is_over=is_over),
        is_over=is_over,
        rows=rows,
        quiet=quiet,
        silenced=len(hidden) - quiet,
        rule=RULE,
    )


def _sentence(count: int, *, is_over: bool) -> str:
    if is_over:
        return f"{fmt.count(count, 'incident')} that are over." if count else "Nothing is over yet."
    return (
        f"{fmt.count(count, 'incident is', 'incidents are')} open." if count else "Nothing is wrong that is known of."
    )


def _incidents(findings: Sequence[Finding]) -> tuple[IncidentLine, ...]:
    groups: dict[int, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.incident, []).append(finding)
    return tuple(
        IncidentLine(lead=build_finding_line(first), others=tuple(build_finding_line(other) for other in others))
        for first, *others in (sorted(group, key=_says_most) for group in groups.values())
    )


def _says_most(finding: Finding) -> tuple[bool, bool, float]:
    is_open = finding.state is FindingState.OPEN
    return not is_open, finding.claim.kind is not FindingKind.KNOWN_PROBLEM, -finding.rank


def build_finding_view(
    cluster: str, facts: FindingFacts, problems: Mapping[str, ProblemDefinition], now_ns: int, *, may_judge: bool
) -> FindingView:
    """One finding with the guides of its incident's known problems."""
    own = facts.finding
    others = [one for one in facts.incident if one.number != own.number]
    matched = [one for one in (own, *others) if one.claim.kind is FindingKind.KNOWN_PROBLEM]
    guides = [_guide(one, problems[one.claim.detail], facts) for one in matched if one.claim.detail in problems]
    return FindingView(
        cluster=cluster,
        made_ns=now_ns,
        finding=build_finding_line(own),
        incident=tuple(map(build_finding_line, others)),
        guides=tuple(guides),
        entities=tuple(
            RelatedEntity(kind=one.kind, name=visible(one.name), address=address_of(one)) for one in own.claim.entities
        ),
        values=own.claim.values,
        words=tuple(_word(said) for said in facts.words),
        may_judge=may_judge,
        rule=RULE,
    )


def _guide(finding: Finding, problem: ProblemDefinition, facts: FindingFacts) -> GuideView:
    told = facts.helped if finding.number == facts.finding.number else None
    return GuideView(
        finding=finding.number,
        guide=guide_of(problem, finding.claim.values),
        helped="" if told is None else helped_words(told),
        is_over=finding.is_over,
    )


def helped_words(told: Helped) -> str:
    """How often the remedy helped here."""
    if not told.ended:
        return "not tried here yet"
    return f"helped {told.helped} of {told.ended} times here: it ended, and has not come back within a week, or so far"


def _word(said: Said) -> WordLine:
    words = {
        Word.CONFIRM: "confirmed it",
        Word.DISMISS: "dismissed it",
        Word.LABEL: f"labelled it {said.label!r}",
        Word.SILENCE: f"silenced it {until_words(said)}",
    }[said.word]
    undone = "" if said.stands else f" (undone by {said.undone_by})"
    return WordLine(
        number=said.number,
        finding=said.finding,
        at_ns=said.at_ns,
        who=visible(said.who),
        words=visible(words + undone),
        is_undone=not said.stands,
    )


def build_feedback_view(cluster: str, words: Sequence[Said], now_ns: int) -> FeedbackView:
    """All that was said, as data."""
    lines = (
        FeedbackLine(
            number=said.number,
            finding=said.finding,
            kind=said.kind.value,
            subject_kind=said.subject.kind,
            subject=said.subject.name,
            detail=said.detail,
            word=said.word.value,
            who=said.who,
            at_ns=said.at_ns,
            label=said.label,
            until_ns=said.until_ns,
            undone_ns=said.undone_ns,
            undone_by=said.undone_by,
        )
        for said in words
    )
    return FeedbackView(cluster=cluster, made_ns=now_ns, words=tuple(lines))
