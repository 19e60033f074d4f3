"""The rules of why a run died: what each witness says of which cause, and how much by itself. Pure.

Owns the causes and the strengths. A rule looks at one kind of witness (the scheduler's word, exit code, counters, log
lines, courses, findings) and says nothing where that witness is silent. A new rule is a function and a row in `RULES`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Finding, FindingKind
from slurmlens.hub.findings.detectors.broken_device import DEVICE_XIDS
from slurmlens.hub.history.conclude.run_extent import RunExtent
from slurmlens.hub.history.facts import JobFacts, NodeState
from slurmlens.hub.logs.query import StoredLine
from slurmlens.hub.views.job.oddities import Stop
from slurmlens.hub.views.job.view import Amount
from slurmlens.hub.views.states import signal_words
from slurmlens.log_lines import LogLine
from slurmlens.shown import format as fmt
from slurmlens.shown.text import clip
from slurmlens.slurm.log_envelope import text_of
from slurmlens.slurm.records import JobState, StepRecord


class CauseKind(enum.StrEnum):
    """What a run can have died of; NOT_KNOWN is an answer, too."""

    JOB_MEMORY = "job-memory"
    NODE_MEMORY = "node-memory"
    TIME_LIMIT = "time-limit"
    STOOD_STILL = "stood-still"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    NODE_LOST = "node-lost"
    CRASH = "crash"
    NOT_FOUND = "not-found"
    PROGRAM = "program"
    GPU = "gpu"
    LAUNCH = "launch"
    FILE_SYSTEM = "file-system"
    FAULTY_NODE = "faulty-node"
    NOT_KNOWN = "not-known"


class CauseSign(NamedTuple):
    """One witness's word: for which cause, how strong by itself, and the words of the evidence."""

    cause: CauseKind
    strength: float
    words: str


@dataclass(frozen=True, slots=True)
class CauseEvidence:
    """All that is known of a run that is over; `lines` are near it in time."""

    facts: JobFacts
    extent: RunExtent
    memory: Amount
    stops: Mapping[str, Stop]
    lines: tuple[StoredLine, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """The job's; the steps' worst where the script itself ended well."""
        outcome = self.facts.outcome
        return outcome.exit_code or outcome.derived_exit_code or 0

    @property
    def signal(self) -> int:
        """That ended it, also as a shell tells it (128 and more)."""
        if self.facts.outcome.exit_signal:
            return self.facts.outcome.exit_signal
        return self.exit_code - 128 if 128 < self.exit_code < 193 else 0


_Rule = Callable[[CauseEvidence], Iterator[CauseSign]]
_BY_STATE: dict[JobState, tuple[CauseKind, float, str]] = {
    JobState.OUT_OF_MEMORY: (CauseKind.JOB_MEMORY, 0.9, "the scheduler says OUT_OF_MEMORY"),
    JobState.TIMEOUT: (CauseKind.TIME_LIMIT, 0.9, "the scheduler says that it reached its time limit"),
    JobState.DEADLINE: (CauseKind.TIME_LIMIT, 0.9, "the scheduler says that it reached its deadline"),
    JobState.PREEMPTED: (CauseKind.PREEMPTED, 0.95, "the scheduler says that it was preempted"),
    JobState.NODE_FAIL: (CauseKind.NODE_LOST, 0.9, "the scheduler says that a node failed"),
    JobState.BOOT_FAIL: (CauseKind.LAUNCH, 0.9, "the scheduler says that its nodes did not boot"),
}
SLURM_OOM_MARK, SLURM_LAUNCH_MARK = 125, 53
CRASH_SIGNALS = frozenset({4, 6, 7, 8, 11, 31})
KILL, TERMINATE = 9, 15
_NOT_FOUND_CODES = frozenset({126, 127})
_SHORT_S = 3.0
_OTHERS_FAILED = 2
_OTHERS_ALONE = 0.3
"""What others' failures weigh alone: how many went well is not told here, but to findings (Fisher's exact test)."""
_NOT_ITS_TIME = 0.5
"""What the scheduler's word of a time limit weighs where the run had stopped long before."""
_FULL, _HIGH_PRESSURE = 0.95, 0.3
_LIMIT_OF_ONE_THAT_STOOD = 0.2
_BY_SLURM_ITSELF = 0.3
"""What the word that somebody cancelled it weighs where that was Slurm, behind a Prolog that failed."""


def by_state(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """The scheduler's own word."""
    outcome = evidence.facts.outcome
    if outcome.state in _BY_STATE:
        cause, strength, words = _BY_STATE[outcome.state]
        yield CauseSign(cause, _NOT_ITS_TIME if _stood_still(evidence) else strength, words)
    if outcome.state is JobState.CANCELLED:
        by = f" by {outcome.cancelled_by}" if outcome.cancelled_by else ""
        strength = _BY_SLURM_ITSELF if _failed_to_launch(evidence) else 0.9
        yield CauseSign(CauseKind.CANCELLED, strength, f"the scheduler says that it was cancelled{by}")


def _failed_to_launch(evidence: CauseEvidence) -> bool:
    """Whether its Prolog failed: what may not be requeued is cancelled then, by slurmd, which is root."""
    is_roots = evidence.facts.outcome.cancelled_by in ("root", "0")
    return is_roots and any(stored.line.kind == "prolog_failed" for stored in evidence.lines)


def _stood_still(evidence: CauseEvidence) -> bool:
    """Whether it ran into its time limit while some of it had stopped long before."""
    is_timeout = evidence.facts.outcome.state is JobState.TIMEOUT
    return is_timeout and _idle_s(evidence) >= max(60.0, 0.1 * (evidence.extent.ran_s or 0.0))


def _idle_s(evidence: CauseEvidence) -> float:
    return max((stop.idle_s for stop in evidence.stops.values()), default=0.0)


def by_exit(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """Exit code and signal. A code of the program's own choice says little, and nothing where Slurm ended it."""
    code, signal = evidence.exit_code, evidence.signal
    if signal == SLURM_OOM_MARK:
        yield CauseSign(CauseKind.JOB_MEMORY, 0.8, "Slurm's mark 0:125 stands for a kill for memory")
    elif signal == SLURM_LAUNCH_MARK:
        yield CauseSign(CauseKind.LAUNCH, 0.8, "Slurm's mark 0:53: no output file, or no working directory")
    elif signal in CRASH_SIGNALS:
        yield CauseSign(CauseKind.CRASH, 0.75, f"a process was ended by {signal_words(signal)}")
    elif signal == KILL:
        yield CauseSign(CauseKind.JOB_MEMORY, 0.25, "a process was killed by SIGKILL, as the kernel does for memory")
    elif code in _NOT_FOUND_CODES:
        yield CauseSign(CauseKind.NOT_FOUND, 0.75, f"a shell gave {code}: command not found, or not executable")
    elif code and not signal and evidence.facts.outcome.state is JobState.FAILED:
        yield CauseSign(CauseKind.PROGRAM, 0.45, f"it exited with {code}, and nothing else was told")


def by_steps(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """How its steps ended, where the job itself only says that it failed: a script may pass a failure over."""
    facts = evidence.facts
    if facts.record is None or facts.outcome.state is not JobState.FAILED:
        return
    seen: set[CauseKind] = set()
    for step in facts.record.steps:
        sign = None if step.step in _NO_STEPS_OF_ITS_OWN else _of_step(step)
        if sign is not None and sign.cause not in seen:
            seen.add(sign.cause)
            yield sign


_NO_STEPS_OF_ITS_OWN = frozenset({"batch", "extern"})


def _of_step(step: StepRecord) -> CauseSign | None:
    if step.state is JobState.OUT_OF_MEMORY or step.exit_signal == SLURM_OOM_MARK:
        return CauseSign(CauseKind.JOB_MEMORY, 0.8, f"step {step.step} was killed for memory")
    if step.state is JobState.TIMEOUT:
        return CauseSign(CauseKind.TIME_LIMIT, 0.8, f"step {step.step} reached its own time limit")
    if step.state is JobState.CANCELLED and step.cancelled_by:
        words = f"step {step.step} was cancelled by {step.cancelled_by}, or by srun when a task of it gave up"
        return CauseSign(CauseKind.CANCELLED, 0.5, words)
    if step.exit_signal in CRASH_SIGNALS:
        return CauseSign(CauseKind.CRASH, 0.7, f"step {step.step} was ended by {signal_words(step.exit_signal)}")
    return None


def by_memory_counters(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """What our own counters saw: kills, and how near to its limit the job came."""
    kills, ratio = evidence.facts.outcome.oom_kills or 0, evidence.memory.ratio
    if kills:
        died = evidence.facts.outcome.state is not JobState.CANCELLED
        yield CauseSign(CauseKind.JOB_MEMORY, 0.85 if died else 0.3, f"{fmt.count(kills, 'kill')} for memory counted")
    if ratio is not None and ratio >= _FULL and evidence.signal in (KILL, SLURM_OOM_MARK):
        yield CauseSign(CauseKind.JOB_MEMORY, 0.5, f"memory was at {fmt.percent(ratio)} of its limit")
    waited = [pressure for node in evidence.facts.nodes if (pressure := _memory_pressure(node, evidence)) is not None]
    if waited and max(waited) >= _HIGH_PRESSURE and (ratio or 0) >= _FULL:
        yield CauseSign(CauseKind.JOB_MEMORY, 0.3, f"it waited for memory {fmt.percent(max(waited))} of the time")


def _memory_pressure(node: object, evidence: CauseEvidence) -> float | None:
    totals = getattr(node, "totals", None)
    stood = totals.pressure_memory_some_s if totals else None
    return stood.value / evidence.extent.ran_s if stood and evidence.extent.ran_s else None


class _LineRow(NamedTuple):
    cause: CauseKind
    strength: float


_BY_LINE: dict[str, _LineRow] = {
    **dict.fromkeys(("oom_kill", "oom_group_kill", "job_out_of_memory"), _LineRow(CauseKind.JOB_MEMORY, 0.8)),
    **dict.fromkeys(("oom_victim", "task_out_of_memory"), _LineRow(CauseKind.JOB_MEMORY, 0.6)),
    **dict.fromkeys(("no_space", "quota_exceeded", "no_writing"), _LineRow(CauseKind.FILE_SYSTEM, 0.75)),
    "stale_file": _LineRow(CauseKind.FILE_SYSTEM, 0.75),
    "input_output_error": _LineRow(CauseKind.FILE_SYSTEM, 0.6),
    **dict.fromkeys(("program_not_run", "library_missing"), _LineRow(CauseKind.NOT_FOUND, 0.8)),
    "memory_limit_exceeded": _LineRow(CauseKind.JOB_MEMORY, 0.8),
    **dict.fromkeys(("host_out_of_memory", "host_oom_victim"), _LineRow(CauseKind.NODE_MEMORY, 0.9)),
    "job_time_limit": _LineRow(CauseKind.TIME_LIMIT, 0.5),
    "job_preempted": _LineRow(CauseKind.PREEMPTED, 0.8),
    "job_cancel_asked": _LineRow(CauseKind.CANCELLED, 0.5),
    "job_ended_by_user": _LineRow(CauseKind.CANCELLED, 0.6),
    **dict.fromkeys(("node_rebooted", "job_node_failed", "nodes_down"), _LineRow(CauseKind.NODE_LOST, 0.7)),
    "batch_script_vanished": _LineRow(CauseKind.NODE_LOST, 0.6),
    "step_node_failed": _LineRow(CauseKind.NODE_LOST, 0.6),
    "segfault": _LineRow(CauseKind.CRASH, 0.7),
    "prolog_failed": _LineRow(CauseKind.LAUNCH, 0.85),
    "node_error_for_job": _LineRow(CauseKind.LAUNCH, 0.7),
    "job_not_startable": _LineRow(CauseKind.LAUNCH, 0.85),
    "credential_refused": _LineRow(CauseKind.LAUNCH, 0.6),
    "fork_refused": _LineRow(CauseKind.PROGRAM, 0.6),
    "lustre_evicted": _LineRow(CauseKind.FILE_SYSTEM, 0.75),
    "lustre_lost": _LineRow(CauseKind.FILE_SYSTEM, 0.5),
    "nfs_silent": _LineRow(CauseKind.FILE_SYSTEM, 0.6),
    **dict.fromkeys(("file_system_error", "file_system_read_only"), _LineRow(CauseKind.FILE_SYSTEM, 0.7)),
    **dict.fromkeys(("file_system_down", "disk_gone", "disk_error"), _LineRow(CauseKind.FILE_SYSTEM, 0.75)),
    **dict.fromkeys(("gpu_gone", "nvswitch_error"), _LineRow(CauseKind.GPU, 0.85)),
    "memory_page_failed": _LineRow(CauseKind.FAULTY_NODE, 0.8),
    "step_memory_error": _LineRow(CauseKind.FAULTY_NODE, 0.8),
    "machine_check": _LineRow(CauseKind.FAULTY_NODE, 0.5),
}
_SLURM_ENDED = frozenset({JobState.TIMEOUT, JobState.PREEMPTED, JobState.CANCELLED, JobState.DEADLINE})
_LAUNCH_WITHIN_NS = 120 * NS_PER_S


def by_lines(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """Log lines about the run: the kernel's, slurmd's, slurmctld's. Of each kind the first counts."""
    seen: set[str] = set()
    for stored in sorted(evidence.lines, key=lambda one: one.line.time_ns):
        line = stored.line
        row = _row_of(stored, evidence)
        if row is None or line.kind is None or line.kind in seen:
            continue
        if row.cause is CauseKind.TIME_LIMIT and _stood_still(evidence):
            row = row._replace(strength=_LIMIT_OF_ONE_THAT_STOOD)
        seen.add(line.kind)
        yield CauseSign(row.cause, row.strength, f"{line.node}: {clip(text_of(line.message), 100)}")


def _row_of(stored: StoredLine, evidence: CauseEvidence) -> _LineRow | None:
    line = stored.line
    if line.kind == "gpu_error":
        is_device = line.fields.get("xid") in DEVICE_XIDS
        return _LineRow(CauseKind.GPU, 0.85 if is_device else 0.8)
    if line.kind == "trap":
        is_other_cpu = "invalid opcode" in line.message
        return _LineRow(CauseKind.NOT_FOUND, 0.85) if is_other_cpu else _LineRow(CauseKind.CRASH, 0.7)
    if line.kind in ("job_requeued", "step_cancelled"):
        return _of_cause(line)
    row = _BY_LINE.get(line.kind or "")
    if row is None or (line.kind == "job_cancel_asked" and _failed_to_launch(evidence)):
        return None
    if row.cause is CauseKind.LAUNCH and (evidence.facts.start_ns or 0) + _LAUNCH_WITHIN_NS < line.time_ns:
        return None
    ended_by_slurm = evidence.facts.outcome.state in _SLURM_ENDED
    if ended_by_slurm and row.cause in (CauseKind.CRASH, CauseKind.PROGRAM):
        return _LineRow(row.cause, 0.2)  # programs crash when they are told to end
    return row


_CAUSE_OF_STEPS_END = {
    "TIME LIMIT": _LineRow(CauseKind.TIME_LIMIT, 0.6),
    "PREEMPTION": _LineRow(CauseKind.PREEMPTED, 0.7),
    "NODE FAILURE": _LineRow(CauseKind.NODE_LOST, 0.6),
}


def _of_cause(line: LogLine) -> _LineRow | None:
    """Of a requeue or of a step's end: what slurmctld or slurmstepd name as its reason."""
    if line.kind == "job_requeued":
        return _LineRow(CauseKind.NODE_LOST, 0.7) if "due to failure of node" in line.message else None
    cause = str(line.fields.get("cause", ""))
    return next((row for words, row in _CAUSE_OF_STEPS_END.items() if cause.startswith(words)), None)


def by_nodes(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """What became of its nodes."""
    silent = [node.node for node in evidence.facts.nodes if node.state is NodeState.SILENT]
    booted = [node.node for node in evidence.facts.nodes if "boot" in (node.reconciled_reason or "")]
    if silent:
        yield CauseSign(CauseKind.NODE_LOST, 0.3, f"nothing was heard of {silent[0]} any more")
    if booted:
        yield CauseSign(CauseKind.NODE_LOST, 0.7, f"{booted[0]} booted while the job was there")


def by_course(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """Whether it worked until its end: a run that had stopped long before its limit did not lack time."""
    if not _stood_still(evidence):
        return
    everywhere = len(evidence.stops) == len(evidence.facts.nodes)
    who = "all of it" if everywhere else ", ".join(sorted(evidence.stops)[:3])
    words = f"{who} stood still for its last {fmt.duration(_idle_s(evidence))}"
    yield CauseSign(CauseKind.STOOD_STILL, 0.92 if everywhere else 0.85, words)


def by_start(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """A run that failed before any reading of it: it hardly began."""
    facts, ran_s = evidence.facts, evidence.extent.ran_s
    began = any(node.totals and node.totals.cpu_s and node.totals.cpu_s.value > 0 for node in facts.nodes)
    if facts.outcome.state is JobState.FAILED and ran_s is not None and ran_s < _SHORT_S and not began:
        yield CauseSign(CauseKind.LAUNCH, 0.3, f"it failed after {fmt.duration(ran_s)}, before it computed anything")


def by_neighbours(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """Other jobs that failed on one of its nodes on that day: is it the node or the job?"""
    worst = max(evidence.facts.nodes, key=lambda node: len(node.other_failed_jobs_today), default=None)
    others = len(worst.other_failed_jobs_today) if worst else 0
    if worst is not None and others >= _OTHERS_FAILED and evidence.facts.outcome.state is JobState.FAILED:
        words = f"{fmt.count(others, 'other job')} failed on {worst.node} that day"
        yield CauseSign(CauseKind.FAULTY_NODE, _OTHERS_ALONE, words)


_BY_FINDING: dict[FindingKind, _LineRow] = {
    FindingKind.FAILING_NODE: _LineRow(CauseKind.FAULTY_NODE, 0.7),
    FindingKind.BROKEN_DEVICE: _LineRow(CauseKind.FAULTY_NODE, 0.5),
    FindingKind.STOPPED: _LineRow(CauseKind.STOOD_STILL, 0.6),
}
_BY_PROBLEM: dict[str, _LineRow] = {
    "black-hole": _LineRow(CauseKind.FAULTY_NODE, 0.7),
    "node-fails-jobs": _LineRow(CauseKind.FAULTY_NODE, 0.3),
    "local-disk-dead": _LineRow(CauseKind.FILE_SYSTEM, 0.5),
    "memory-uncorrectable": _LineRow(CauseKind.FAULTY_NODE, 0.6),
    "quota": _LineRow(CauseKind.FILE_SYSTEM, 0.6),
    "spool-full": _LineRow(CauseKind.LAUNCH, 0.7),
    "clock-skew": _LineRow(CauseKind.LAUNCH, 0.5),
    "prolog-drains-nodes": _LineRow(CauseKind.LAUNCH, 0.6),
    "nfs-server-away": _LineRow(CauseKind.FILE_SYSTEM, 0.6),
    "lustre-evictions": _LineRow(CauseKind.FILE_SYSTEM, 0.6),
    "gpu-missing": _LineRow(CauseKind.GPU, 0.6),
    "gpu-memory-dying": _LineRow(CauseKind.GPU, 0.6),
    "gpu-application-fault": _LineRow(CauseKind.GPU, 0.6),
    "binary-mismatch": _LineRow(CauseKind.NOT_FOUND, 0.3),
    "host-out-of-memory": _LineRow(CauseKind.NODE_MEMORY, 0.5),
}
_BLAMED = frozenset({JobState.FAILED, JobState.NODE_FAIL, JobState.UNKNOWN, JobState.OUT_OF_MEMORY, JobState.TIMEOUT})


def by_findings(evidence: CauseEvidence) -> Iterator[CauseSign]:
    """Findings and known problems that touched the run; nobody's are blamed for what Slurm was asked to end."""
    facts = evidence.facts
    for finding in evidence.findings:
        claim = finding.claim
        touched = facts.job_id in claim.jobs
        row = _BY_FINDING.get(claim.kind) or _BY_PROBLEM.get(claim.detail)
        if row is None or not touched or facts.outcome.state not in _BLAMED:
            continue
        if row.cause is CauseKind.FAULTY_NODE and facts.outcome.state in (JobState.OUT_OF_MEMORY, JobState.TIMEOUT):
            continue
        yield CauseSign(row.cause, row.strength, f"{finding.name}: {claim.sentence.rstrip('.')}")


RULES: tuple[_Rule, ...] = (
    by_state,
    by_exit,
    by_steps,
    by_memory_counters,
    by_lines,
    by_nodes,
    by_course,
    by_start,
    by_neighbours,
    by_findings,
)
CAUSE_KINDS = frozenset(_BY_LINE) | {"gpu_error", "trap", "job_requeued", "step_cancelled"}
"""Kinds of lines that any rule looks at."""
