"""The findings that hold, in memory, and what changes them: claims, words of people, time. Sans-IO.

Owns numbers, states and ranks of findings; every method answers with the findings that changed, which `room` writes.
Invariant: of one key at most one finding is not over. Loaded at the start by `room`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from slurmlens.hub.findings.claims import Claim, ClaimKey, ClosedWhy, Finding, FindingState, Said, Word
from slurmlens.hub.findings.folding import ENDS_KNOWN_FOR_NS, GOES_ON, LastEnd, has_faded, incident_of, is_news, joined
from slurmlens.hub.findings.ranking import COUNTS_FOR_NS, NOBODY_APART, SetApart, ranked


@dataclass(slots=True)
class FindingLedger:
    """What is not over, how what is over ended, and all that was said lately."""

    standing: dict[ClaimKey, Finding] = field(default_factory=dict)
    ended: dict[ClaimKey, LastEnd] = field(default_factory=dict)
    words: list[Said] = field(default_factory=list)
    last_number: int = 0
    last_word: int = 0
    apart: SetApart = NOBODY_APART

    def take(self, claims: Iterable[Claim], now_ns: int) -> list[Finding]:
        """New claims: what they began, or made longer."""
        changed = []
        for claim in claims:
            known = self.standing.get(claim.key)
            if known is None and not is_news(claim, self.ended):
                continue
            finding = self._begun(claim, now_ns) if known is None else self._ranked(joined(known, claim), now_ns)
            if finding != known:
                self.standing[claim.key] = finding
                changed.append(finding)
        return changed

    def close(self, finding: Finding, why: ClosedWhy, now_ns: int, *, whole_incident: bool = False) -> list[Finding]:
        """It holds no more; with its incident's others about the same subject, where these end with it."""
        own = [finding]
        if whole_incident:
            own += [
                other
                for other in self.standing.values()
                if other.incident == finding.incident
                and other.number != finding.number
                and finding.claim.subject in (other.claim.subject, *other.claim.entities)
            ]
        return [self._closed(one, why if one is finding else ClosedWhy.WITH_INCIDENT, now_ns) for one in own]

    def fade(self, now_ns: int) -> list[Finding]:
        """What nothing new was said of for long is over; ends of long ago are forgotten, and what weighs no more."""
        old_ns = now_ns - ENDS_KNOWN_FOR_NS
        for key in [key for key, end in self.ended.items() if end.time_ns <= old_ns]:
            if key.kind not in GOES_ON or self.ended[key].why is not ClosedWhy.DISMISSED:
                del self.ended[key]
        self.words = [said for said in self.words if said.at_ns > now_ns - COUNTS_FOR_NS]
        faded = [finding for finding in self.standing.values() if has_faded(finding, now_ns)]
        return [self._closed(finding, ClosedWhy.FADED, now_ns) for finding in faded]

    def end_reservations(self, now_ns: int) -> list[Said]:
        """Silences that held while a node was reserved are over with that; returns those that are."""
        over = [
            msgspec.structs.replace(said, until_ns=now_ns)
            for said in self.words
            if said.stands
            and said.word is Word.SILENCE
            and said.until_ns is None
            and said.subject.name not in self.apart.reserved
        ]
        ended = {said.number: said for said in over}
        self.words = [ended.get(said.number, said) for said in self.words]
        return over

    def rerank(self, now_ns: int) -> list[Finding]:
        """Ranks by what stands now: words were said or undone, or a silence is over."""
        changed = []
        for key, finding in self.standing.items():
            again = self._ranked(finding, now_ns)
            if again != finding:
                self.standing[key] = again
                changed.append(again)
        return changed

    def say(self, finding: Finding, said: Said) -> tuple[Said, list[Finding]]:
        """Somebody said something of a finding, which may be over; `said` without its number."""
        self.last_word += 1
        said = msgspec.structs.replace(said, number=self.last_word)
        self.words.append(said)
        changed: list[Finding] = []
        if said.word is Word.DISMISS and not finding.is_over:
            changed = [self._closed(finding, ClosedWhy.DISMISSED, said.at_ns)]
        return said, _newest([*changed, *self.rerank(said.at_ns)])

    def undo(self, said: Said, finding: Finding | None, who: str, now_ns: int) -> tuple[Said, list[Finding]]:
        """What was said counts no more; a finding that it ended (`finding`) is open again where no newer one is."""
        undone = msgspec.structs.replace(said, undone_ns=now_ns, undone_by=who)
        self.words = [undone if one.number == said.number else one for one in self.words]
        changed = []
        if finding is not None and finding.closed_why is ClosedWhy.DISMISSED and said.word is Word.DISMISS:
            key = finding.claim.key
            if key not in self.standing:
                self.ended.pop(key, None)
                again = msgspec.structs.replace(finding, state=FindingState.OPEN, closed_ns=None, closed_why=None)
                self.standing[key] = self._ranked(again, now_ns)
                changed.append(self.standing[key])
        return undone, _newest([*changed, *self.rerank(now_ns)])

    def _begun(self, claim: Claim, now_ns: int) -> Finding:
        self.last_number += 1
        incident = incident_of(claim, self.standing.values()) or self.last_number
        finding = Finding(
            number=self.last_number,
            claim=claim,
            incident=incident,
            state=FindingState.OPEN,
            rank=claim.score,
            first_ns=now_ns,
            last_ns=max(claim.to_ns, now_ns),
        )
        return self._ranked(finding, now_ns)

    def _ranked(self, finding: Finding, now_ns: int) -> Finding:
        rank = ranked(finding.claim, self.words, now_ns, self.apart)
        return msgspec.structs.replace(finding, rank=rank.value, state=rank.state, rank_note=rank.note)

    def _closed(self, finding: Finding, why: ClosedWhy, now_ns: int) -> Finding:
        key = finding.claim.key
        self.standing.pop(key, None)
        self.ended[key] = LastEnd(max(now_ns, finding.claim.to_ns), why)
        return msgspec.structs.replace(finding, state=FindingState.CLOSED, closed_ns=now_ns, closed_why=why)


def _newest(changed: Sequence[Finding]) -> list[Finding]:
    """Each finding once, as it was changed last."""
    return list({finding.number: finding for finding in changed}.values())
