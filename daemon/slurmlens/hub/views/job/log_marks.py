"""Log lines of a run as moments of its time line: those that say what befell it. Pure.

Owns which kinds of lines are moments (`MARKED`: rows of `slurm.log_kinds` and `slurm.kernel_lines`). Lines of one kind
that nodes logged within `TOGETHER_NS` are one moment naming them all. Fed by `web.view_cache` with stored lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.logs.query import StoredLine
from slurmlens.hub.views.job.view import Mark
from slurmlens.log_lines import LogLine
from slurmlens.shown.text import clip, encodable
from slurmlens.slurm import hostlist
from slurmlens.slurm.log_envelope import text_of

TOGETHER_NS = 2 * NS_PER_S
MOST_MARKS = 30
_TEXT_COLUMNS = 120
LOUD = frozenset(
    (
        *(
            "oom_kill",
            "oom_victim",
            "oom_group_kill",
            "host_out_of_memory",
            "memory_limit_exceeded",
            "job_out_of_memory",
        ),
        *("step_memory_error", "step_unkillable", "job_time_limit", "job_node_failed", "batch_script_vanished"),
        *("prolog_failed", "epilog_failed", "epilog_error", "node_rebooted", "nodes_down", "hung_task", "soft_lockup"),
        *(
            "segfault",
            "trap",
            "gpu_error",
            "gpu_gone",
            "disk_error",
            "file_system_error",
            "lustre_evicted",
            "nfs_silent",
        ),
    )
)
MARKED = LOUD | {"job_exited", "job_signalled", "job_cancel_asked", "job_preempted", "job_requeued", "fork_refused"}
"""Lines of these kinds are asked for."""


def log_marks(lines: Sequence[StoredLine]) -> Iterator[Mark]:
    """The moments, at most `MOST_MARKS`, in the order of time."""
    groups: list[list[LogLine]] = []
    latest: dict[str, list[LogLine]] = {}
    for line in sorted((one.line for one in lines if _is_moment(one.line)), key=lambda line: line.time_ns):
        group = latest.get(line.kind or "")
        if group is not None and line.time_ns - group[0].time_ns <= TOGETHER_NS:
            group.append(line)
        else:
            latest[line.kind or ""] = group = [line]
            groups.append(group)
    for group in groups[:MOST_MARKS]:
        first = group[0]
        program = f"{first.program}: " if first.program else ""
        where = hostlist.fold_or_list(dict.fromkeys(line.node for line in group))
        text = clip(encodable(f"{program}{text_of(first.message)}"), _TEXT_COLUMNS)
        yield Mark(time_ns=first.time_ns, kind="log", text=text, where=where, loud=first.kind in LOUD)


def _is_moment(line: LogLine) -> bool:
    return line.kind in MARKED and not (line.kind == "job_exited" and line.fields.get("exit_code") == 0)
