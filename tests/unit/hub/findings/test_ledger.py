"""Claims become findings, people's words move them by the stated rule, and all of it can be undone."""

from __future__ import annotations

import msgspec
import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, ClosedWhy, Finding, FindingKind, FindingState, Said, Word
from slurmlens.hub.findings.folding import FADES_AFTER_NS
from slurmlens.hub.findings.ledger import FindingLedger
from slurmlens.hub.findings.ranking import SetApart
from slurmlens.hub.inventory.entities import Entity
from testkit.findings import NOW_NS, failing_node_claim


def claim(node: str = "n1", at_s: float = 0, **changes: object) -> Claim:
    made = failing_node_claim(node, to_ns=NOW_NS + round(at_s * NS_PER_S))
    return msgspec.structs.replace(made, **changes)


def said(finding: Finding, word: Word, at_s: float = 1, **more: object) -> Said:
    own = finding.claim
    at_ns = NOW_NS + round(at_s * NS_PER_S)
    return Said(
        number=0, finding=finding.number, kind=own.kind, subject=own.subject, word=word, who="olga", at_ns=at_ns, **more
    )


def begun(ledger: FindingLedger, *claims: Claim) -> list[Finding]:
    return ledger.take(claims, NOW_NS)


def test_the_same_claim_again_changes_nothing_and_a_newer_one_makes_the_finding_longer() -> None:
    ledger = FindingLedger()
    (first,) = begun(ledger, claim())
    assert begun(ledger, claim()) == []
    (longer,) = begun(ledger, claim(at_s=50, jobs=(43,)))
    assert (longer.number, longer.claim.jobs) == (first.number, (43, 42))
    assert longer.claim.from_ns == first.claim.from_ns


def test_an_odd_node_weighs_more_with_each_other_job() -> None:
    ledger = FindingLedger()
    one = claim(kind=FindingKind.ODD_NODE, detail="computes less", jobs=(1,))
    (first,) = begun(ledger, one)
    (second,) = begun(ledger, msgspec.structs.replace(one, jobs=(2,), to_ns=one.to_ns + 1))
    assert second.rank == pytest.approx(first.rank + 0.25)


def test_what_is_about_one_thing_at_one_time_is_one_incident() -> None:
    ledger = FindingLedger()
    device = claim(kind=FindingKind.BROKEN_DEVICE, detail="GPU x")
    other, later = claim("n2"), claim("n1", at_s=86_400, kind=FindingKind.DRIFT, detail="memory_bytes")
    findings = begun(ledger, claim(), device, other, later)
    assert [finding.incident for finding in findings] == [1, 1, 3, 4]


def test_evidence_of_before_the_end_opens_nothing_anew() -> None:
    ledger = FindingLedger()
    (finding,) = begun(ledger, claim())
    ledger.close(finding, ClosedWhy.CONTAINED, NOW_NS + 5 * NS_PER_S)
    assert begun(ledger, claim(at_s=4)) == []
    assert [again.number for again in begun(ledger, claim(at_s=6))] == [2]


def test_an_incident_ends_as_a_whole_where_its_problem_is_over() -> None:
    ledger = FindingLedger()
    failing, problem = begun(ledger, claim(), claim(kind=FindingKind.KNOWN_PROBLEM, detail="node-fails-jobs"))
    over = ledger.close(problem, ClosedWhy.CONTAINED, NOW_NS, whole_incident=True)
    assert [(one.number, one.closed_why) for one in over] == [
        (problem.number, ClosedWhy.CONTAINED),
        (failing.number, ClosedWhy.WITH_INCIDENT),
    ]
    assert ledger.standing == {}


def test_what_nothing_new_was_said_of_fades() -> None:
    ledger = FindingLedger()
    (finding,) = begun(ledger, claim())
    later_ns = finding.last_ns + FADES_AFTER_NS[FindingKind.FAILING_NODE]
    assert ledger.fade(later_ns) == []
    assert [one.closed_why for one in ledger.fade(later_ns + 1)] == [ClosedWhy.FADED]


def test_after_two_dismissals_the_third_of_its_kind_is_ranked_lower_and_says_why() -> None:
    ledger = FindingLedger()
    for node in ("n1", "n2"):
        (finding,) = begun(ledger, claim(node))
        _, changed = ledger.say(finding, said(finding, Word.DISMISS))
        assert [one.closed_why for one in changed] == [ClosedWhy.DISMISSED]
    (third,) = begun(ledger, claim("n3"))
    assert (third.rank, third.state) == (third.claim.score / 2, FindingState.OPEN)
    assert third.rank_note is not None
    assert "ranked lower: of findings like this people dismissed 2 and confirmed 0" in third.rank_note


def test_what_was_often_dismissed_falls_below_the_line_and_stays_quiet() -> None:
    ledger = FindingLedger()
    for number in range(8):
        (finding,) = begun(ledger, claim(f"n{number}"))
        ledger.say(finding, said(finding, Word.DISMISS))
    (last,) = begun(ledger, claim("n9"))
    assert (last.state, last.rank) == (FindingState.QUIET, 0.4)


def test_confirmed_findings_lift_their_kind_and_other_kinds_stay() -> None:
    ledger = FindingLedger()
    one, other = begun(ledger, claim(), claim("n2", kind=FindingKind.ODD_NODE))
    ledger.say(one, said(one, Word.CONFIRM))
    assert ledger.standing[one.claim.key].rank == pytest.approx(one.rank * 4 / 3, abs=0.01)
    assert ledger.standing[other.claim.key].rank == other.rank


def test_a_dismissal_that_is_undone_opens_the_finding_again_at_its_rank() -> None:
    ledger = FindingLedger()
    (finding,) = begun(ledger, claim())
    told, (dismissed,) = ledger.say(finding, said(finding, Word.DISMISS))
    undone, (again,) = ledger.undo(told, dismissed, "olga", NOW_NS + 9)
    assert (again.state, again.rank, again.rank_note) == (FindingState.OPEN, finding.rank, None)
    assert (undone.stands, undone.undone_by) == (False, "olga")


def test_what_goes_on_by_itself_is_no_news_once_it_was_dismissed() -> None:
    ledger = FindingLedger()
    idle = claim(kind=FindingKind.HELD_IDLE, subject=Entity("job", "42"))
    (finding,) = begun(ledger, idle)
    ledger.say(finding, said(finding, Word.DISMISS))
    assert begun(ledger, msgspec.structs.replace(idle, to_ns=NOW_NS + 3600 * NS_PER_S)) == []


def test_a_silence_hides_the_finding_and_its_like_about_the_same_until_its_time_is_over() -> None:
    ledger = FindingLedger()
    one, other = begun(ledger, claim(), claim("n2"))
    until_ns = NOW_NS + 3600 * NS_PER_S
    ledger.say(one, said(one, Word.SILENCE, until_ns=until_ns))
    assert ledger.standing[one.claim.key].state is FindingState.SILENCED
    assert ledger.standing[other.claim.key].state is FindingState.OPEN
    assert [again.state for again in ledger.rerank(until_ns)] == [FindingState.OPEN]


def test_everything_about_a_node_is_silent_while_it_is_under_maintenance() -> None:
    ledger = FindingLedger()
    ledger.apart = SetApart(frozenset({"n1"}), frozenset({"n1"}))
    finding, other = begun(ledger, claim(), claim("n2"))
    assert (finding.state, other.state) == (FindingState.SILENCED, FindingState.OPEN)
    assert finding.rank_note == "silent while n1 is under maintenance"
    ledger.apart = SetApart()
    assert [(one.claim.subject.name, one.state) for one in ledger.rerank(NOW_NS + 9 * NS_PER_S)] == [
        ("n1", FindingState.OPEN)
    ]


def test_a_silence_without_a_time_is_over_with_the_reservation_and_does_not_come_back_with_the_next() -> None:
    ledger = FindingLedger()
    ledger.apart = reserved = SetApart(frozenset({"n1"}))
    (finding,) = begun(ledger, claim())
    _, changed = ledger.say(finding, said(finding, Word.SILENCE))
    assert [(one.state, one.rank_note) for one in changed] == [
        (FindingState.SILENCED, "silenced by olga while n1 is reserved")
    ]
    assert ledger.end_reservations(NOW_NS + 5 * NS_PER_S) == []
    ledger.apart = SetApart()
    assert [one.until_ns for one in ledger.end_reservations(NOW_NS + 6 * NS_PER_S)] == [NOW_NS + 6 * NS_PER_S]
    assert [one.state for one in ledger.rerank(NOW_NS + 6 * NS_PER_S)] == [FindingState.OPEN]
    ledger.apart = reserved
    assert ledger.rerank(NOW_NS + 7 * NS_PER_S) == []


def test_the_newest_word_on_a_finding_counts_and_words_grow_old() -> None:
    ledger = FindingLedger()
    (finding,) = begun(ledger, claim())
    ledger.say(finding, said(finding, Word.CONFIRM, at_s=1))
    ledger.say(finding, said(finding, Word.DISMISS, at_s=2))
    (other,) = begun(ledger, claim("n2"))
    assert other.rank == pytest.approx(other.claim.score * 2 / 3, abs=0.01)
    ledger.rerank(NOW_NS + 200 * 86_400 * NS_PER_S)
    assert ledger.standing[other.claim.key].rank == other.claim.score
