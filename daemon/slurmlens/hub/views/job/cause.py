"""Why a run died: signs of all that is known, joined to the most probable cause. Pure.

Owns the joining. Each rule (`cause_rules`) gives signs: a cause, how much by itself it speaks for it (0 to 1), and the
words of the evidence. Signs of one cause add up as independent witnesses do, 1 − Π(1 − strength). The greatest is the
probable cause where it reaches `KNOWN`; below that the page says that the cause is not known, and shows what there is.
Another cause that comes close is named as well. Confidence is a judgement of the rules' authors that the labelled cases
(`tests/testkit/died_jobs.py`, and `bench/deaths.py` on real Slurm) hold them to; it is no frequency.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.findings.claims import Finding
from slurmlens.hub.history.conclude.run_extent import RunExtent
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.logs.query import StoredLine
from slurmlens.hub.views.job.cause_rules import RULES, CauseEvidence, CauseKind
from slurmlens.hub.views.job.oddities import Stop
from slurmlens.hub.views.job.view import Amount, CauseView
from slurmlens.shown.text import encodable
from slurmlens.slurm.records import JobState

KNOWN, LIKELY, SURE = 0.4, 0.6, 0.9
CLOSE = 0.15
MOST_EVIDENCE = 6
_MOST_CONFIDENCE = 0.99
AFTER_END_NS = 300 * 10**9

WORDS = {
    CauseKind.JOB_MEMORY: "it ran out of the memory that it had asked for",
    CauseKind.NODE_MEMORY: "its node ran out of memory, by something outside the job",
    CauseKind.TIME_LIMIT: "it needed more time than its limit",
    CauseKind.STOOD_STILL: "it stopped working long before its end",
    CauseKind.CANCELLED: "somebody cancelled it",
    CauseKind.PREEMPTED: "it had to make room for another job",
    CauseKind.NODE_LOST: "a node of it was lost",
    CauseKind.CRASH: "the program crashed",
    CauseKind.NOT_FOUND: "the program, or a library of it, was not there or does not fit the node",
    CauseKind.PROGRAM: "the program ended itself with an error of its own",
    CauseKind.GPU: "a GPU failed or was misused",
    CauseKind.LAUNCH: "it could not be started on its node",
    CauseKind.FILE_SYSTEM: "a file system or disk was away or full",
    CauseKind.FAULTY_NODE: "its node fails jobs",
    CauseKind.NOT_KNOWN: "not known",
}


def probable_cause(
    facts: JobFacts,
    extent: RunExtent,
    memory: Amount,
    stops: dict[str, Stop],
    lines: Sequence[StoredLine],
    findings: Sequence[Finding],
) -> CauseView | None:
    """Why the run died; None where it runs, waits, went well, or never began."""
    state = facts.outcome.state
    has_died = extent.is_over and state not in (JobState.COMPLETED, JobState.REVOKED)
    if not has_died or (state is JobState.UNKNOWN and facts.end_ns is None):
        return None
    evidence = CauseEvidence(facts, extent, memory, stops, _near(facts, lines), tuple(findings))
    strengths: dict[CauseKind, float] = {}
    words: dict[CauseKind, list[str]] = {}
    for sign in (sign for rule in RULES for sign in rule(evidence)):
        strengths[sign.cause] = 1 - (1 - strengths.get(sign.cause, 0.0)) * (1 - sign.strength)
        words.setdefault(sign.cause, []).append(encodable(sign.words))
    ranked = sorted(strengths, key=lambda kind: (-strengths[kind], kind.value))
    is_known = bool(ranked) and strengths[ranked[0]] >= KNOWN
    if not is_known and state is JobState.REQUEUED:
        return None  # somebody had it begin anew, which is no death
    if not is_known:
        told = [text for kind in ranked for text in words[kind]]
        return _view(CauseKind.NOT_KNOWN, 0.0, told, ())
    best = ranked[0]
    close = [kind for kind in ranked[1:] if strengths[kind] >= max(KNOWN, strengths[best] - CLOSE)]
    return _view(best, strengths[best], words[best], close)


def _near(facts: JobFacts, lines: Sequence[StoredLine]) -> tuple[StoredLine, ...]:
    """Lines from before the run began to a little after its end."""
    end_ns = (facts.end_ns or facts.as_of_ns) + AFTER_END_NS
    begin_ns = facts.submit_ns or facts.start_ns or 0
    return tuple(line for line in lines if begin_ns <= line.line.time_ns <= end_ns)


def _view(kind: CauseKind, strength: float, words: Sequence[str], close: Sequence[CauseKind]) -> CauseView:
    confidence = min(strength, _MOST_CONFIDENCE)
    level = "sure" if confidence >= SURE else "likely" if confidence >= LIKELY else "possible"
    if kind is CauseKind.NOT_KNOWN:
        return CauseView(kind=kind.value, words=WORDS[kind], evidence=tuple(words[:MOST_EVIDENCE]))
    return CauseView(
        kind=kind.value,
        words=WORDS[kind],
        level=level,
        confidence=round(confidence, 2),
        evidence=tuple(dict.fromkeys(words))[:MOST_EVIDENCE],
        others=tuple(WORDS[other] for other in close),
    )
