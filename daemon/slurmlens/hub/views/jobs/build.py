"""`JobRow`s to `JobsView`: the list that says which jobs need its reader.

Pure. Fed with what history's query answered and the filters of the address; drawn by the jobs page, `slurmlens jobs`,
JSON and CSV.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.facts import JobRow
from slurmlens.hub.views.job.allocation import fold
from slurmlens.hub.views.job.usage import ratio
from slurmlens.hub.views.job.view import Amount, JobLine, JobsView, Phase
from slurmlens.hub.views.states import pending_words, phase_of
from slurmlens.shown.text import encodable


def build_jobs_view(rows: Sequence[JobRow], filters: Mapping[str, str], limit: int, now_ns: int) -> JobsView:
    """The rows in the order in which history answered (newest first); `more` where the limit may have cut them."""
    lines = tuple(job_line(row, now_ns) for row in rows)
    counts = Counter(line.phase.value for line in lines)
    return JobsView(
        made_ns=now_ns,
        filters=dict(filters),
        rows=lines,
        counts={phase.value: counts.get(phase.value, 0) for phase in Phase},
        limit=limit,
        more=len(lines) >= limit,
    )


def job_line(row: JobRow, now_ns: int) -> JobLine:
    """One row. CPU is measured as everywhere: CPU seconds over allocated cores × run time."""
    phase = phase_of(row.outcome.state, started=row.start_ns is not None, ended=row.end_ns is not None)
    ran_s = _ran_s(row, phase, now_ns)
    limit_s = float(row.time_limit_s) if row.time_limit_s else None
    given_s = row.cpu_count * ran_s if row.cpu_count and ran_s is not None else None
    memory_asked = float(row.memory_per_node_bytes) if row.memory_per_node_bytes else None
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
        node_list=fold(row.nodes) if row.nodes else None,
        node_count=row.node_count or (len(row.nodes) or None),
        cores=row.cpu_count,
        submitted_ns=row.submit_ns,
        started_ns=row.start_ns,
        ended_ns=row.end_ns,
        expected_start_ns=row.expected_start_ns,
        reason=pending_words(row.reason, row.reason_text) if phase is Phase.PENDING else None,
        ran=Amount(used=ran_s, asked=limit_s, ratio=ratio(ran_s, limit_s)),
        cpu=Amount(used=row.cpu_s, asked=given_s, ratio=ratio(row.cpu_s, given_s)),
        memory=Amount(used=row.memory_peak_bytes, asked=memory_asked, ratio=ratio(row.memory_peak_bytes, memory_asked)),
    )


def _ran_s(row: JobRow, phase: Phase, now_ns: int) -> float | None:
    if row.start_ns is None:
        return None
    end_ns = row.end_ns if phase is Phase.ENDED else now_ns
    return None if end_ns is None else max(0, end_ns - row.start_ns) / NS_PER_S
