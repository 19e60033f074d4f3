"""Claims into findings: what is the same goes on, what belongs together is one incident, what is over ends. Pure.

Owns these rules. A claim with the key of a finding that is not over makes it longer (its window, its jobs; the score is
the newer one, and of an odd node a quarter more for each other job, up to three). A claim whose evidence is no
newer than the end of the last finding of its key says nothing new. A finding joins the incident of another that is not
over, shares its subject or names it, and overlaps it within `TOGETHER_NS`. What nothing new was said of for its kind's
time fades.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, ClaimKey, ClosedWhy, Finding, FindingKind, FindingState
from slurmlens.hub.inventory.entities import Entity

TOGETHER_NS = 3600 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
FADES_AFTER_NS: Mapping[FindingKind, int] = {
    FindingKind.FAILING_NODE: 24 * HOUR_NS,
    FindingKind.ODD_NODE: 6 * HOUR_NS,
    FindingKind.EVENT_RATE: 6 * HOUR_NS,
    FindingKind.BROKEN_DEVICE: 7 * 24 * HOUR_NS,
    FindingKind.HELD_IDLE: HOUR_NS,
    FindingKind.STOPPED: HOUR_NS,
    FindingKind.USED_OUTSIDE: HOUR_NS,
    FindingKind.DRIFT: 24 * HOUR_NS,
    FindingKind.UNLIKE_ITSELF: 3 * HOUR_NS,
    FindingKind.KNOWN_PROBLEM: 7 * 24 * HOUR_NS,
}
MOST_JOBS = 200
ENDS_KNOWN_FOR_NS = 30 * 24 * HOUR_NS
"""No evidence is older, so that nothing opens anew by what its end had seen."""
GOES_ON = frozenset({FindingKind.HELD_IDLE, FindingKind.STOPPED, FindingKind.DRIFT, FindingKind.USED_OUTSIDE})
"""Kinds whose evidence reaches to now for as long as they hold."""
_MOST_ADDED, _ADDED_A_JOB = 3.0, 0.25


def joined(finding: Finding, claim: Claim) -> Finding:
    """The same finding with a newer claim."""
    old = finding.claim
    jobs = tuple(dict.fromkeys((*claim.jobs, *old.jobs)))[:MOST_JOBS]
    runs = tuple(dict.fromkeys((*claim.runs, *old.runs)))[:MOST_JOBS]
    entities = tuple(dict.fromkeys((*claim.entities, *old.entities)))[:MOST_JOBS]
    added = 0.0
    if claim.kind is FindingKind.ODD_NODE and len(jobs) > 1:
        added = min(_MOST_ADDED, _ADDED_A_JOB * (len(jobs) - 1))
    least = old.score if claim.kind is FindingKind.ODD_NODE else 0.0  # that it became odd is forgotten with time
    merged = msgspec.structs.replace(
        claim,
        score=round(max(claim.score + added, least), 2),
        from_ns=min(old.from_ns, claim.from_ns),
        to_ns=max(old.to_ns, claim.to_ns),
        jobs=jobs,
        runs=runs,
        entities=entities,
    )
    return msgspec.structs.replace(finding, claim=merged, last_ns=max(finding.last_ns, claim.to_ns))


class LastEnd(NamedTuple):
    """When and by what the last finding of a key ended."""

    time_ns: int
    why: ClosedWhy


def is_news(claim: Claim, ended: Mapping[ClaimKey, LastEnd]) -> bool:
    """Whether its evidence is newer than the end of the last finding of its key; what goes on by itself is no news
    once somebody dismissed it."""
    end = ended.get(claim.key)
    if end is None:
        return True
    if claim.kind in GOES_ON and end.why is ClosedWhy.DISMISSED:
        return False
    return claim.to_ns > end.time_ns


def incident_of(claim: Claim, standing: Iterable[Finding]) -> int | None:
    """The incident that a new finding belongs to; None where it begins one."""
    named = _things(claim)
    for finding in sorted(standing, key=lambda one: one.number):
        other = finding.claim
        is_near = claim.from_ns <= other.to_ns + TOGETHER_NS and other.from_ns <= claim.to_ns + TOGETHER_NS
        shares = claim.subject in _things(other) or other.subject in named
        if is_near and shares and claim.key != other.key:
            return finding.incident
    return None


def _things(claim: Claim) -> set[Entity]:
    """What a claim is about; users and jobs are touched by many things at once and join nothing."""
    return {claim.subject, *(one for one in claim.entities if one.kind not in ("user", "job"))}


def has_faded(finding: Finding, now_ns: int) -> bool:
    """Whether nothing new was said of it for its kind's time. A known problem waits for its verification as well."""
    return now_ns - finding.last_ns > FADES_AFTER_NS[finding.claim.kind]


def is_shown(finding: Finding) -> bool:
    """Whether it stands in the list of what is open."""
    return finding.state is FindingState.OPEN
