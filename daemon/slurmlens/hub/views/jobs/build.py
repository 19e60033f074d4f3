"""`JobRow`s to `JobsView`: the list that says which jobs need its reader.

Pure. Fed with what history's query answered and the filters of the address; drawn by the jobs page, `slurmlens jobs`,
JSON and CSV.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from slurmlens.hub.history.conclude.run_extent import RunExtent, run_extent
from slurmlens.hub.history.facts import JobFilter, JobList, JobRow
from slurmlens.hub.progress.facts import JobProgressFacts, JobRun, job_estimate
from slurmlens.hub.views.job.progress import build_progress
from slurmlens.hub.views.job.usage import against
from slurmlens.hub.views.job.view import Phase
from slurmlens.hub.views.jobs.view import JobLine, JobsView
from slurmlens.hub.views.states import pending_words, phase_of
from slurmlens.shown.text import encodable
from slurmlens.slurm.records import JobState


def build_jobs_view(
    found: JobList,
    filters: Mapping[str, str],
    asked: JobFilter,
    now_ns: int,
    told_inside: Mapping[JobRun, JobProgressFacts] = MappingProxyType({}),
) -> JobsView:
    """The rows in the order in which history answered (newest first); `told_inside` is what their processes
    reported."""
    lines = tuple(job_line(row, now_ns, told_inside.get((row.job_id, row.run))) for row in found.rows)
    counts = Counter(line.phase.value for line in lines)
    return JobsView(
        made_ns=now_ns,
        filters=dict(filters),
        rows=lines,
        counts={phase.value: counts.get(phase.value, 0) for phase in Phase},
        limit=asked.limit,
        more=found.next is not None,
        after=asked.after.text if asked.after else None,
        next=found.next.text if found.next else None,
    )


def job_line(row: JobRow, now_ns: int, told_inside: JobProgressFacts | None = None) -> JobLine:
    """One row, measured against the same extent as the job's own page."""
    extent = row_extent(row, now_ns)
    phase = phase_of(row.outcome.state, started=row.start_ns is not None, ended=extent.is_over)
    limit_ns = extent.limit_ns(row.start_ns)
    return JobLine(
        job_id=row.job_id,
        run=row.run,
        phase=phase,
        state=row.outcome.state,
        state_text=row.outcome.label,
        name=encodable(row.name) if row.name else None,
        user=row.user,
        account=row.account,
        partition=row.partition,
        array_job_id=row.array_job_id,
        array_task_id=row.array_task_id,
        array_tasks=row.array_tasks,
        node_list=extent.node_list,
        node_count=extent.node_count,
        cores=extent.cores,
        submitted_ns=row.submit_ns,
        started_ns=row.start_ns,
        ended_ns=row.end_ns,
        expected_start_ns=row.expected_start_ns,
        reason=pending_words(row.reason, row.reason_text) if phase is Phase.PENDING else None,
        ran=against(extent.ran_s, extent.limit_s),
        cpu=against(row.cpu_s, extent.core_s),
        memory=against(row.memory_peak_bytes, extent.memory_per_node_bytes),
        progress=build_progress(
            None if told_inside is None else job_estimate(told_inside, now_ns, limit_ns),
            phase,
            now_ns,
            has_limit=limit_ns is not None,
            is_suspended=row.outcome.state is JobState.SUSPENDED,
        ),
    )


def row_extent(row: JobRow, now_ns: int) -> RunExtent:
    """What a listed run had."""
    return run_extent(
        row.outcome.state,
        row.record,
        row.identity,
        reporting=row.nodes,
        start_ns=row.start_ns,
        end_ns=row.end_ns,
        now_ns=now_ns,
    )
