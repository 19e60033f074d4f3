"""Which nodes, users, partitions, versions … explain the failures of a window: pure.

Owns the ranking. Failed runs are held against the others; each candidate gets its four counts, Fisher's p, the q of
Benjamini and Hochberg among its kind, and an odds ratio with its interval; candidates are ranked by the lower bound of
that ratio. What is said of a candidate besides is stated, never silently done: that it cannot be told from another one
(they are in the same runs), that its failures are those of a higher one, that they are one user's, or that there are
too few. Invariant: a cause is *named* only with q below `ALPHA`, three failures at least, and two users or job names.

Runs are bits of integers, so that a thousand candidates over ten thousand runs take a fraction of a second. Fed with
runs by the query of a window; feeds `slurmlens common-cause` and its page.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from slurmlens.hub.inventory.contingency import (
    Table,
    false_discovery_rates,
    fisher_p,
    odds_ratio,
    score,
    stratified_p,
)

ALPHA = 0.05
LEAST_FAILURES = 3
LEAST_FAILURES_TRIED = 2
LEAST_SOURCES = 2
MOST_CAUSES = 50


class Candidate(msgspec.Struct, frozen=True, order=True):
    """Something that a run had: `kind` is node, user, account, partition, switch, software …"""

    kind: str
    name: str


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One ended run of the window, with what it had: its own `candidates`, and `sets` of others.

    A set that many runs had (what was installed on a node) is one object in all of them: it is looked through once.
    """

    failed: bool
    user: str | None
    job_name: str | None
    node_count: int
    candidates: frozenset[Candidate]
    sets: tuple[frozenset[Candidate], ...] = ()


class Remark(enum.Enum):
    """What keeps a candidate from being named, or what else has to be known of it."""

    TOO_FEW = "too_few"
    NOT_SIGNIFICANT = "not_significant"
    SAME_RUNS = "same_runs"
    EXPLAINED = "explained"
    ONE_USER = "one_user"


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One candidate's case.

    `failed`/`succeeded` count runs with it, `failed_without`/`succeeded_without` all others of the window. `p` is
    Fisher's, `q` corrected among its kind. `coverage` is the share of all failures that had it, `excess` the failures
    that would not have happened at the others' rate. `by` names what a remark points to.
    """

    kind: str
    name: str
    failed: int
    succeeded: int
    failed_without: int
    succeeded_without: int
    p: float
    q: float
    odds: float
    odds_low: float
    odds_high: float
    score: float
    coverage: float
    excess: float
    users: int
    job_names: int
    is_named: bool
    remarks: tuple[Remark, ...] = ()
    by: tuple[str, ...] = ()


class CommonCause(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: the window's runs, how many candidates of each kind were tried, and the causes, best first."""

    failed: int
    succeeded: int
    tried: dict[str, int]
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class _Window:
    """All runs as bits: run i is bit i."""

    trials: Sequence[Trial]
    failed: int
    all: int
    masks: Mapping[Candidate, int]
    strata: Sequence[int]
    """Runs of one user and of one size (its power of two) each."""
    has_users_to_compare: bool

    def table(self, mask: int, within: int | None = None) -> Table:
        """The counts of the runs in `mask`; of those in `within` alone, where it is given."""
        failed = self.failed if within is None else self.failed & within
        everything = self.all if within is None else within
        mine = mask & everything
        a = (mine & failed).bit_count()
        b = mine.bit_count() - a
        return Table(a, b, failed.bit_count() - a, (everything & ~failed).bit_count() - b)


@dataclass(frozen=True, slots=True)
class _Suspect:
    candidate: Candidate
    mask: int
    table: Table
    p: float
    q: float


def common_cause(trials: Sequence[Trial]) -> CommonCause:
    """Ranks everything that failed runs had in common; empty where nothing failed, or everything did."""
    window = _window(trials)
    suspects = _suspects(window)
    kept = sorted(suspects, key=lambda one: (-score(one.table), one.candidate))[:MOST_CAUSES]
    twins = _same_runs(kept)
    explained = _explained(window, kept)
    causes = tuple(_cause(window, one, twins[one.candidate], explained.get(one.candidate)) for one in kept)
    failed = window.failed.bit_count()
    return CommonCause(
        failed=failed,
        succeeded=len(trials) - failed,
        tried=dict(sorted(Counter(candidate.kind for candidate in window.masks).items())),
        causes=tuple(sorted(causes, key=lambda cause: not cause.is_named)),
    )


def _window(trials: Sequence[Trial]) -> _Window:
    failed = _mask((number for number, trial in enumerate(trials) if trial.failed), len(trials))
    has_users = len({trial.user for trial in trials}) >= LEAST_SOURCES
    return _Window(trials, failed, (1 << len(trials)) - 1, _masks(trials), _strata(trials), has_users)


def _masks(trials: Sequence[Trial]) -> dict[Candidate, int]:
    """The runs of each candidate: those that had it themselves, and those of each set that it is in."""
    members: dict[Candidate, list[int]] = {}
    sets: dict[int, tuple[frozenset[Candidate], list[int]]] = {}
    for number, trial in enumerate(trials):
        for candidate in trial.candidates:
            members.setdefault(candidate, []).append(number)
        for one in trial.sets:
            sets.setdefault(id(one), (one, []))[1].append(number)
    masks = {candidate: _mask(numbers, len(trials)) for candidate, numbers in members.items()}
    for one, numbers in sets.values():
        mask = _mask(numbers, len(trials))
        for candidate in one:
            masks[candidate] = masks.get(candidate, 0) | mask
    return masks


def _strata(trials: Sequence[Trial]) -> list[int]:
    members: dict[tuple[str | None, int], list[int]] = {}
    for number, trial in enumerate(trials):
        members.setdefault((trial.user, trial.node_count.bit_length()), []).append(number)
    return [_mask(numbers, len(trials)) for numbers in members.values()]


def _mask(numbers: Iterable[int], size: int) -> int:
    """The integer with these bits; made of bytes, for setting bits of a large integer copies it each time."""
    bits = bytearray(size // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")


def _suspects(window: _Window) -> list[_Suspect]:
    """Candidates with enough failures that raise the rate, with q among all of their kind that were tried."""
    tables: dict[str, list[tuple[Candidate, int, Table]]] = {}
    for candidate, mask in window.masks.items():
        table = window.table(mask)
        if table.a >= LEAST_FAILURES_TRIED and mask != window.all:
            tables.setdefault(candidate.kind, []).append((candidate, mask, table))
    found: list[_Suspect] = []
    for rows in tables.values():
        p_values = [fisher_p(table) for _, _, table in rows]
        for (candidate, mask, table), p, q in zip(rows, p_values, false_discovery_rates(p_values), strict=True):
            if score(table) > 0 or q < ALPHA:
                found.append(_Suspect(candidate, mask, table, p, q))
    return found


def _same_runs(suspects: Sequence[_Suspect]) -> dict[Candidate, tuple[str, ...]]:
    """By candidate: others that were in exactly the same runs, and so cannot be told from it."""
    by_mask: dict[int, list[Candidate]] = {}
    for one in suspects:
        by_mask.setdefault(one.mask, []).append(one.candidate)
    return {
        one.candidate: tuple(_words(other) for other in by_mask[one.mask] if other != one.candidate) for one in suspects
    }


def _explained(window: _Window, ranked: Sequence[_Suspect]) -> dict[Candidate, Candidate]:
    """By candidate: the higher one without whose failed runs nothing speaks against it any more.

    The best is taken, its failed runs leave the window, the rest is looked at again: a bad node's siblings, which were
    in the same large jobs, do not fill the list.
    """
    found: dict[Candidate, Candidate] = {}
    within = window.all
    for position, head in enumerate(ranked):
        if head.q >= ALPHA or head.candidate in found:
            continue
        within &= ~(head.mask & window.failed)
        for other in ranked[position + 1 :]:
            if other.candidate in found or other.mask == head.mask:
                continue
            left = window.table(other.mask, within)
            if left.a < LEAST_FAILURES_TRIED or fisher_p(left) >= ALPHA:
                found[other.candidate] = head.candidate
    return found


def _cause(window: _Window, one: _Suspect, twins: tuple[str, ...], above: Candidate | None) -> Cause:
    table, ratio = one.table, odds_ratio(one.table)
    failures = _members(window, one.mask & window.failed)
    users, names = {trial.user for trial in failures}, {trial.job_name for trial in failures}
    remarks: list[Remark] = []
    by: list[str] = []
    if one.q >= ALPHA:
        remarks.append(Remark.NOT_SIGNIFICANT)
    if table.a < LEAST_FAILURES or max(len(users), len(names)) < LEAST_SOURCES:
        remarks.append(Remark.TOO_FEW)
    if above is not None:
        remarks.append(Remark.EXPLAINED)
        by.append(_words(above))
    if one.candidate.kind != "user" and _is_one_users(window, one):
        remarks.append(Remark.ONE_USER)
        by.append(_words(Candidate("user", _commonest(trial.user for trial in failures))))
    is_named = not remarks
    if twins:
        remarks.append(Remark.SAME_RUNS)
        by.extend(twins)
    without = table.c + table.d
    return Cause(
        kind=one.candidate.kind,
        name=one.candidate.name,
        failed=table.a,
        succeeded=table.b,
        failed_without=table.c,
        succeeded_without=table.d,
        p=one.p,
        q=one.q,
        odds=ratio.value,
        odds_low=ratio.low,
        odds_high=ratio.high,
        score=score(table),
        coverage=table.a / (table.a + table.c),
        excess=table.a - (table.a + table.b) * table.c / without if without else float(table.a),
        users=len(users),
        job_names=len(names),
        is_named=is_named,
        remarks=tuple(remarks),
        by=tuple(by),
    )


def _members(window: _Window, mask: int) -> list[Trial]:
    """The runs of a mask."""
    found: list[Trial] = []
    while mask:
        lowest = mask & -mask
        found.append(window.trials[lowest.bit_length() - 1])
        mask ^= lowest
    return found


def _is_one_users(window: _Window, one: _Suspect) -> bool:
    """Whether the effect is gone once runs are compared within the same user and size alone.

    Gone is not merely unproved: of few runs the strata could not prove it even if all failures were with the candidate,
    and then nothing is said. Only where several users ran with it: a candidate that one user alone had cannot be judged
    this way.
    """
    if not window.has_users_to_compare:
        return False
    tables = [window.table(one.mask, stratum) for stratum in window.strata]
    p, least_p = stratified_p(tables), stratified_p([table.at_worst for table in tables])
    return p is not None and least_p is not None and p >= ALPHA and least_p < ALPHA


def _commonest(names: Iterable[str | None]) -> str:
    counted = Counter(name or "?" for name in names)
    return min(counted, key=lambda name: (-counted[name], name))


def _words(candidate: Candidate) -> str:
    return f"{candidate.kind} {candidate.name}"
