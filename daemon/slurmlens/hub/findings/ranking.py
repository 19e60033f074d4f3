"""What people said of findings, and what follows from it: rank, threshold, silence. Pure.

Owns the rule, which is stated here, in the documentation, and on every finding that it changed:

    weight = 2 · (confirmed + 1) / (confirmed + dismissed + 2)        over findings of the same kind
    rank   = score · weight

Without a word the weight is 1; after two dismissals it is 1/2, after two confirmations 3/2. The newest word on a
finding counts, what was undone does not, and a word counts for 180 days. A finding is shown where its rank is `LINE` at
least; below it is kept, and quiet. A finding that was dismissed is over. A silence hides findings of the same kind,
detail and subject until its time is over, or the reservation of its node. While a node is under maintenance everything
about it is silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, FindingKind, FindingState, Said, Word
from slurmlens.shown import format as fmt

LINE = 0.5
COUNTS_FOR_NS = 180 * 86_400 * NS_PER_S


BY_DETAIL = frozenset({FindingKind.KNOWN_PROBLEM, FindingKind.EVENT_RATE, FindingKind.DRIFT, FindingKind.UNLIKE_ITSELF})
"""Kinds of which each detail (a known problem, a kind of event, an attribute) is judged by itself."""


class SetApart(NamedTuple):
    """Nodes that a reservation keeps from ordinary jobs now; those under maintenance are among both."""

    reserved: frozenset[str] = frozenset()
    maintained: frozenset[str] = frozenset()


NOBODY_APART = SetApart()


class Judged(NamedTuple):
    """How often people confirmed and dismissed findings of a kind."""

    confirmed: int = 0
    dismissed: int = 0

    @property
    def weight(self) -> float:
        return 2 * (self.confirmed + 1) / (self.confirmed + self.dismissed + 2)


class Rank(NamedTuple):
    """Where a finding stands, and why there, where people's words moved it."""

    value: float
    state: FindingState
    note: str | None


def judged(claim: Claim, words: Iterable[Said], now_ns: int) -> Judged:
    """The words on findings of the claim's kind and detail: the newest on each finding."""
    newest: dict[int, Said] = {}
    for said in sorted(words, key=lambda one: (one.at_ns, one.number)):
        is_judgement = said.word in (Word.CONFIRM, Word.DISMISS)
        if said.stands and is_judgement and now_ns - said.at_ns < COUNTS_FOR_NS and _is_alike(said, claim):
            newest[said.finding] = said
    dismissed = sum(said.word is Word.DISMISS for said in newest.values())
    return Judged(len(newest) - dismissed, dismissed)


def _is_alike(said: Said, claim: Claim) -> bool:
    return said.kind is claim.kind and (said.detail == claim.detail or claim.kind not in BY_DETAIL)


def ranked(claim: Claim, words: Sequence[Said], now_ns: int, apart: SetApart = NOBODY_APART) -> Rank:
    """Where a claim stands by the rule above."""
    told = judged(claim, words, now_ns)
    value = round(claim.score * told.weight, 2)
    if claim.subject.kind == "node" and claim.subject.name in apart.maintained:
        return Rank(value, FindingState.SILENCED, f"silent while {claim.subject.name} is under maintenance")
    if silence := silence_of(claim, words, now_ns, apart.reserved):
        return Rank(value, FindingState.SILENCED, f"silenced by {silence.who} {until_words(silence)}")
    state = FindingState.OPEN if value >= LINE else FindingState.QUIET
    return Rank(value, state, _note(claim, told, value))


def silence_of(claim: Claim, words: Iterable[Said], now_ns: int, reserved: frozenset[str] = frozenset()) -> Said | None:
    """The silence that holds over it, if there is one."""
    for said in words:
        is_silence = said.stands and said.word is Word.SILENCE and said.at_ns <= now_ns
        holds = is_silence and (said.subject.name in reserved if said.until_ns is None else now_ns < said.until_ns)
        is_same = said.kind is claim.kind and said.detail == claim.detail and said.subject == claim.subject
        if holds and is_same:
            return said
    return None


def until_words(silence: Said) -> str:
    """Until when a silence holds."""
    if silence.until_ns is None:
        return f"while {silence.subject.name} is reserved"
    return f"until {fmt.iso_s(silence.until_ns)}"


def _note(claim: Claim, told: Judged, value: float) -> str | None:
    if told == Judged():
        return None
    direction = "lower" if told.weight < 1 else "higher" if told.weight > 1 else "the same"
    quiet = f"; that is below the line of {LINE:g}" if value < LINE else ""
    return (
        f"ranked {direction}: of findings like this people dismissed {told.dismissed} and confirmed {told.confirmed},"
        f" so its score of {claim.score:g} counts {told.weight:.2g} times: {value:g}{quiet}"
    )
