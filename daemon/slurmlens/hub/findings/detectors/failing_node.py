"""A node on which job after job fails while jobs elsewhere do not. Pure.

Each node's ended runs of the last day are held against all others by Fisher's exact test; p is corrected over all nodes
that had two failures at least (Benjamini and Hochberg). It needs two failures of two users or two job names, the last
two runs that ended there among them, and q of 0.03 in so many runs at most (one by chance a month): it is looked at
with each run that ends, so that the more there are, the less may be chance. Of less than `FEW_RUNS`, none of which went
well there, q may be 0.2: one suspicion in five is chance then, and the score says so. Failures that follow one user, or
those of another node, are left to these
(`inventory.common_cause`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import FAILED, Observed
from slurmlens.hub.findings.words import chance, listed, score_of
from slurmlens.hub.inventory.common_cause import Candidate, Cause, Remark, Trial, common_cause
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.shown import format as fmt
from slurmlens.slurm.records import JobState

MOST_Q, MOST_Q_AFTER_SUCCESS = 0.2, 0.02
FEW_RUNS, CHANCE_A_DAY = 20, 0.03
LEAST_FAILURES = 2
_LEFT_OUT = (Remark.EXPLAINED, Remark.ONE_USER)


def failing_nodes(observed: Observed) -> Iterator[Claim]:
    """One claim for each node under suspicion."""
    runs = [run for run in observed.runs if run.state in FAILED or run.state is JobState.COMPLETED]
    if sum(run.state in FAILED for run in runs) < LEAST_FAILURES:
        return
    answer = common_cause([_trial(run) for run in runs])
    for cause in answer.causes:
        if (
            cause.kind != "node"
            or cause.q > _most_q(cause, len(runs))
            or any(remark in _LEFT_OUT for remark in cause.remarks)
        ):
            continue
        there = sorted((run for run in runs if cause.name in run.nodes), key=lambda run: run.end_ns or 0)
        if _keeps_failing(there):
            yield _claim(cause, there)


def _most_q(cause: Cause, runs: int) -> float:
    if runs < FEW_RUNS:
        return MOST_Q_AFTER_SUCCESS if cause.succeeded else MOST_Q
    return CHANCE_A_DAY / runs


def _trial(run: PlacedRun) -> Trial:
    candidates = {Candidate("node", node) for node in run.nodes} | (
        {Candidate("user", run.user)} if run.user else set()
    )
    return Trial(
        failed=run.state in FAILED,
        user=run.user,
        job_name=run.name,
        node_count=len(run.nodes),
        candidates=frozenset(candidates),
    )


def _keeps_failing(there: Sequence[PlacedRun]) -> bool:
    failed = [run for run in there if run.state in FAILED]
    if any(run.state not in FAILED for run in there[-LEAST_FAILURES:]):
        return False
    sources = {(run.user, run.name) for run in failed}
    return len(failed) >= LEAST_FAILURES and len(sources) > 1


def _claim(cause: Cause, there: Sequence[PlacedRun]) -> Claim:
    failed = [run for run in there if run.state in FAILED]
    with_it, without = cause.failed + cause.succeeded, cause.failed_without + cause.succeeded_without
    jobs = tuple(run.job_id for run in failed)
    return Claim(
        kind=FindingKind.FAILING_NODE,
        subject=Entity("node", cause.name),
        score=score_of(cause.q),
        p=cause.p,
        basis=f"odds {cause.odds:.3g} ({cause.odds_low:.2g} … {cause.odds_high:.2g}), p = {chance(cause.p)} by Fisher's"
        f" exact test, {chance(cause.q)} after correction over all nodes with failures",
        from_ns=min(run.start_ns or run.end_ns or 0 for run in failed),
        to_ns=max(run.end_ns or 0 for run in failed),
        jobs=jobs,
        runs=tuple(run.number for run in failed),
        entities=tuple(Entity("user", name) for name in sorted({run.user for run in failed if run.user})),
        sentence=f"{cause.name} fails jobs: {cause.failed} of {with_it} that ended there in the last day failed,"
        f" {cause.failed_without} of {without} elsewhere.",
        hint=f"{cause.name} is under suspicion of failing jobs.",
        values={
            "node": cause.name,
            "jobs": listed(map(str, jobs)),
            "job": jobs[-1],
            "failed": cause.failed,
            "ended": with_it,
            "count": fmt.count(cause.failed, "job"),
        },
    )
