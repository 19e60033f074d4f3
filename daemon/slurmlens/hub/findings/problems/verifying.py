"""Whether a known problem is over: its verification against what was observed since. Pure."""

from __future__ import annotations

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import ClosedWhy, Finding
from slurmlens.hub.findings.observed import FAILED, Observed
from slurmlens.hub.findings.problems.problem import ProblemDefinition
from slurmlens.hub.inventory.collectors.nodes import is_out_of_service
from slurmlens.slurm.records import JobState


def verified(problem: ProblemDefinition, finding: Finding, observed: Observed) -> ClosedWhy | None:
    """By what it ended; None while it holds."""
    verify, name = problem.verify, finding.claim.subject.name
    makeup = observed.nodes.get(name) if problem.about == "node" else None
    is_out = makeup is not None and makeup.state is not None and is_out_of_service(makeup.state)
    if verify.contained and is_out:
        return ClosedWhy.CONTAINED
    asked = [
        verify.quiet_s is None or observed.now_ns - finding.claim.to_ns >= verify.quiet_s * NS_PER_S,
        verify.completed_runs is None or _runs_well(problem.about, finding, observed, verify.completed_runs),
        not verify.reason_gone or (makeup is not None and makeup.state is not None and not is_out),
        not verify.back or _is_back(verify.back, finding, observed),
        not verify.same_job_completed or _same_completed(finding, observed),
        not verify.job_over or _job_is_over(finding, observed),
    ]
    asks_more_than_containment = any(
        (
            verify.quiet_s is not None,
            verify.completed_runs is not None,
            verify.reason_gone,
            verify.back,
            verify.same_job_completed,
            verify.job_over,
        )
    )
    return ClosedWhy.VERIFIED if asks_more_than_containment and all(asked) else None


def _runs_well(about: str, finding: Finding, observed: Observed, wanted: int) -> bool:
    """The last `wanted` runs on the node, or of the user, all went well, and all ended after the last sign."""
    name = finding.claim.subject.name
    own = [run for run in observed.runs if (name == run.user if about == "user" else name in run.nodes)]
    there = sorted(own, key=lambda run: run.end_ns or 0)
    since = [run for run in there if (run.end_ns or 0) > finding.claim.to_ns]
    last = since[-wanted:]
    return len(last) == wanted and not any(run.state in FAILED for run in last)


def _is_back(kinds: tuple[str, ...], finding: Finding, observed: Observed) -> bool:
    """Each node that was named said so after the last sign."""
    named = {one.name for one in (finding.claim.subject, *finding.claim.entities) if one.kind == "node"}
    back = {event.node for event in observed.events if event.kind in kinds and event.time_ns > finding.claim.to_ns}
    return bool(named) and named <= back


def _same_completed(finding: Finding, observed: Observed) -> bool:
    jobs = set(finding.claim.jobs)
    ours = [load.run for load in observed.loads if load.run.job_id in jobs]
    ours += [run for run in observed.runs if run.job_id in jobs]
    names = {(run.user, run.name) for run in ours if run.name}
    return any(
        run.state is JobState.COMPLETED and (run.user, run.name) in names and (run.start_ns or 0) > finding.claim.to_ns
        for run in observed.runs
    )


def _job_is_over(finding: Finding, observed: Observed) -> bool:
    name = finding.claim.subject.name
    return any(str(load.run.job_id) == name and not load.is_running for load in observed.loads)
