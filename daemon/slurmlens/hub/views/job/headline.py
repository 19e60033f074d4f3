"""The one sentence: outcome, cause, where, after how long; for a waiting job why, for a running one how it goes.

Pure. Fed with `JobFacts` and the figures already made; everything it claims stands in the facts, and what only one
side saw is said to be so (killed for memory: by the scheduler, by the counters, or by both).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.facts import ClosedReason, JobFacts, NodeFacts, NodeState, OutcomeSource
from slurmlens.hub.views.job.oddities import Stop
from slurmlens.hub.views.job.progress import done_words, progress_sentence
from slurmlens.hub.views.job.timeline import step_end_words
from slurmlens.hub.views.job.view import Allocation, Amount, Phase, ProgressView
from slurmlens.hub.views.states import STATE_STYLES, exit_words, pending_words, signal_words, slurm_mark_words
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible
from slurmlens.slurm import hostlist
from slurmlens.slurm.records import JobState, StepRecord

_MOST_STOPPED_NAMED = 4


@dataclass(frozen=True, slots=True)
class HeadlineBasis:
    """What the sentence may draw on beside the facts."""

    facts: JobFacts
    phase: Phase
    allocation: Allocation
    ran: Amount
    waited_s: float | None
    cpu: Amount
    memory: Amount
    memory_peak_node: str | None
    stops: dict[str, Stop]
    progress: ProgressView | None = None


def headline(basis: HeadlineBasis) -> str:
    """The sentence, with at most two more that point at the cause; fit to be shown anywhere."""
    if basis.phase is Phase.PENDING:
        first = _pending(basis)
    elif basis.phase is Phase.RUNNING:
        first = _running(basis)
    else:
        first = _ENDED.get(basis.facts.outcome.state, _ended)(basis)
    sentences = [first, *_progressed(basis), *_stopped(basis), *_neighbours(basis)]
    return visible(" ".join(sentence for sentence in sentences if sentence))


def _pending(basis: HeadlineBasis) -> str:
    if begun := basis.facts.begun_unknown_to_scheduler:
        where = begun[0] if len(begun) == 1 else fmt.count(len(begun), "node")
        return f"Has just begun on {where}; the scheduler's last answer is older and still says that it waits."
    record = basis.facts.record
    words = pending_words(record.reason, record.reason_text) if record else None
    so_far = f" for {fmt.duration(basis.waited_s)}" if basis.waited_s is not None else ""
    if words is None:
        return f"Waits{so_far}: the scheduler has given no reason yet."
    return f"Waits{so_far}: {words}."


def _running(basis: HeadlineBasis) -> str:
    if basis.facts.scheduler_silent_since_ns is not None:
        return _out_of_touch(basis, basis.facts.scheduler_silent_since_ns)
    booted = [node for node in basis.facts.nodes if node.reconciled_reason == ClosedReason.NODE_BOOTED.value]
    if booted:
        return _booted(basis, booted)
    verb = "Suspended after running" if basis.facts.outcome.state is JobState.SUSPENDED else "Running"
    first = f"{verb} for {fmt.duration(basis.ran.used)}"
    if basis.ran.asked:
        first += f" of {fmt.duration(basis.ran.asked)}"
    used = _used_words(basis)
    return f"{first}{_where(basis)}" + (f": {used}." if used else "; no figures yet.")


def _progressed(basis: HeadlineBasis) -> list[str]:
    """How far a running job is by its own word; for one that did not come through, how far it came."""
    progress = basis.progress
    if progress is None or basis.phase is Phase.PENDING:
        return []
    if basis.phase is Phase.RUNNING:
        return [progress_sentence(progress)]
    completed = basis.facts.outcome.state is JobState.COMPLETED
    return [] if completed or progress.ratio == 1.0 else [f"By its own word it came to {done_words(progress)}."]


def _booted(basis: HeadlineBasis, booted: Sequence[NodeFacts]) -> str:
    """What ran on a node is gone with its boot, long before the scheduler notices."""
    names = hostlist.fold_or_list(node.node for node in booted)
    last_ns = max((node.end_ns for node in booted if node.end_ns is not None), default=None)
    since = f", later than {fmt.iso_s(last_ns)}" if last_ns is not None else ""
    return f"{names} booted anew while the job ran there{since}; the scheduler still says running."


def _out_of_touch(basis: HeadlineBasis, since_ns: int) -> str:
    """Nothing is ended by guess; but what is hours old is not shown as if it were of now."""
    silent = fmt.duration((basis.facts.as_of_ns - since_ns) / NS_PER_S)
    nodes = [node for node in basis.facts.nodes if node.state is NodeState.RUNNING]
    still = f"{fmt.count(len(nodes), 'node')} still {'lists' if len(nodes) == 1 else 'list'} it" if nodes else ""
    return f"Ran when the scheduler last answered, {silent} ago; {still or 'its nodes are silent, too'}."


def _used_words(basis: HeadlineBasis) -> str:
    parts = []
    if basis.cpu.ratio is not None and basis.allocation.cores:
        least = "at least " if basis.phase is Phase.ENDED and not basis.cpu.complete else ""
        parts.append(f"{least}{fmt.percent(basis.cpu.ratio)} of {fmt.cores(basis.allocation.cores)}")
    if basis.memory.ratio is not None:
        parts.append(f"{fmt.percent(basis.memory.ratio)} of its memory")
    elif basis.memory.used is not None:
        parts.append(f"{fmt.memory(basis.memory.used)} of memory")
    return " and ".join(parts)


def _completed(basis: HeadlineBasis) -> str:
    used = _used_words(basis)
    return f"Completed{_after(basis)}{_where(basis)}" + (f"; used {used}." if used else ".") + _kills_survived(basis)


def _kills_survived(basis: HeadlineBasis) -> str:
    kills = basis.facts.outcome.oom_kills
    return f" {_killed_words(basis)} on the way." if kills else ""


def _failed(basis: HeadlineBasis) -> str:
    outcome = basis.facts.outcome
    where, after = _on_only_node(basis), _after(basis)
    if outcome.oom_kills:
        code = f"exited with {outcome.exit_code}" if outcome.exit_code else "failed"
        witness = f"oom counters; {_scheduler_on_memory(basis)}"
        return f"{_subject(basis)} {code}{after}; {_killed_words(basis)} ({witness})."
    step = _first_failed_step(basis)
    if outcome.exit_signal and (mark := slurm_mark_words(outcome.exit_signal)):
        return f"Failed{where}{after}: {mark} (exit code {outcome.exit_code or 0}:{outcome.exit_signal}).{step}"
    if outcome.exit_signal:
        return f"{_subject(basis)} was ended by {signal_words(outcome.exit_signal)}{where}{after}.{step}"
    if outcome.exit_code:
        words = exit_words(outcome.exit_code)
        meaning = f" ({words})" if words else ""
        return f"{_subject(basis)} exited with {outcome.exit_code}{meaning}{where}{after}.{step}"
    return f"Failed{where}{after}; {_reason_or_silence(basis)}."


def _scheduler_on_memory(basis: HeadlineBasis) -> str:
    """Its silence is mentioned only once it has reported the end; 125 is Slurm's own mark for a kill for memory."""
    if basis.facts.outcome.source is not OutcomeSource.SCHEDULER:
        return "the scheduler has not reported the end yet"
    return (
        "Slurm's mark 125 says so, too" if basis.facts.outcome.exit_signal == 125 else "the scheduler does not say so"
    )


def _reason_or_silence(basis: HeadlineBasis) -> str:
    record = basis.facts.record
    reason = record.reason if record and record.reason not in (None, "None") else None
    return f"the scheduler's reason is {reason}" if reason else "no exit code was reported"


def _first_failed_step(basis: HeadlineBasis) -> str:
    failed = [step for step in _steps(basis) if step.step not in ("batch", "extern") and _went_wrong(step)]
    if not failed:
        return ""
    first = min(failed, key=lambda step: step.end_s or 0)
    where = (
        f" on {hostlist.fold_or_list(first.nodes)}"
        if len(first.nodes) == 1 and (basis.allocation.node_count or 0) > 1
        else ""
    )
    return f" Step {first.step} {step_end_words(first)}{where} first."


def _went_wrong(step: StepRecord) -> bool:
    return step.state.has_ended and step.state not in (JobState.COMPLETED, JobState.CANCELLED)


def _out_of_memory(basis: HeadlineBasis) -> str:
    seen = bool(basis.facts.outcome.oom_kills)
    where = f" on {hostlist.fold_or_list(_oom_nodes(basis.facts.nodes))}" if seen else ""
    return f"Killed for memory{where}{_after(basis)}{_peak_words(basis)} ({_witnesses_of_memory(basis)})."


def _peak_words(basis: HeadlineBasis) -> str:
    """A peak whose end nobody saw is none: memory can rise tenfold between the last reading and the kill."""
    if basis.memory.used is None:
        return ""
    pair = fmt.memory_pair(basis.memory.used, basis.memory.asked)
    return f": {pair} at its peak" if basis.memory.complete else f": {pair} when it was last read"


def _witnesses_of_memory(basis: HeadlineBasis) -> str:
    """Counters that saw none contradict the scheduler; those whose end nobody saw do not."""
    if basis.facts.outcome.oom_kills:
        return "the scheduler and the oom counters say so"
    counted = [node.totals.oom_kills for node in basis.facts.nodes if node.totals and node.totals.samples]
    if not counted:
        return "the scheduler says so; no oom counter was read"
    if None in counted:
        return "the scheduler says so; what the oom counters said at its end was not seen"
    return "the scheduler says so; the oom counters saw none"


def _oom_nodes(nodes: Sequence[NodeFacts]) -> list[str]:
    return [node.node for node in nodes if node.totals and node.totals.oom_kills]


def _killed_words(basis: HeadlineBasis) -> str:
    kills = basis.facts.outcome.oom_kills or 0
    nodes = _oom_nodes(basis.facts.nodes)
    where = f" on {hostlist.fold_or_list(nodes)}" if nodes else ""
    return f"{fmt.count(kills, 'process was', 'processes were')} killed for memory{where}"


def _timeout(basis: HeadlineBasis) -> str:
    limit = f" of {fmt.duration(basis.ran.asked)}" if basis.ran.asked else ""
    used = _used_words(basis)
    return f"Reached its time limit{limit}{_where(basis)}" + (f"; used {used}." if used else ".")


def _cancelled(basis: HeadlineBasis) -> str:
    by = basis.facts.outcome.cancelled_by
    actor = f" by {by}" if by else ""
    if basis.facts.start_ns is None:
        waited = f" after {fmt.duration(basis.waited_s)} in the queue" if basis.waited_s is not None else ""
        return f"Cancelled{actor}{waited}; it never started."
    return f"Cancelled{actor}{_after(basis)}."


def _node_failed(basis: HeadlineBasis) -> str:
    silent = [node.node for node in basis.facts.nodes if node.end_ns is None]
    named = silent if 0 < len(silent) < len(basis.facts.nodes) else []
    where = f"Node {hostlist.fold_or_list(named)}" if named else "A node"
    return f"{where} failed{_after(basis)}, and the job ended with it."


def _preempted(basis: HeadlineBasis) -> str:
    return f"Preempted{_after(basis)} to make room for another job."


def _requeued(basis: HeadlineBasis) -> str:
    later = [run for run in basis.facts.runs if run.number > basis.facts.run]
    if not later:
        return f"Requeued{_after(basis)}; its next run has not started."
    following = later[0]
    return f"Requeued{_after(basis)}; run {following.number}: {STATE_STYLES[following.state].word}."


def _boot_failed(basis: HeadlineBasis) -> str:
    return f"Its nodes did not boot{_after(basis)}."


def _deadline(basis: HeadlineBasis) -> str:
    return f"Reached its deadline{_after(basis)}."


def _ended(basis: HeadlineBasis) -> str:
    return f"Ended{_after(basis)}; the scheduler has not said how."


_ENDED: dict[JobState, Callable[[HeadlineBasis], str]] = {
    JobState.COMPLETED: _completed,
    JobState.FAILED: _failed,
    JobState.OUT_OF_MEMORY: _out_of_memory,
    JobState.TIMEOUT: _timeout,
    JobState.CANCELLED: _cancelled,
    JobState.NODE_FAIL: _node_failed,
    JobState.PREEMPTED: _preempted,
    JobState.REQUEUED: _requeued,
    JobState.BOOT_FAIL: _boot_failed,
    JobState.DEADLINE: _deadline,
}


def _stopped(basis: HeadlineBasis) -> list[str]:
    """Which nodes stopped computing long before the end: the likely place of the cause."""
    if basis.facts.outcome.state is JobState.COMPLETED or not basis.stops or basis.facts.end_ns is None:
        return []
    names = sorted(basis.stops, key=lambda name: basis.stops[name].time_ns)
    if len(names) > _MOST_STOPPED_NAMED or (len(names) == len(basis.facts.nodes) > 1):
        return []
    first = basis.stops[names[0]]
    before_s = (basis.facts.end_ns - first.time_ns) / NS_PER_S
    return [f"{hostlist.fold_or_list(names)} stopped computing {fmt.duration(before_s)} before the end."]


def _neighbours(basis: HeadlineBasis) -> list[str]:
    """Other jobs that failed on one of the nodes today: is it the node or the job?"""
    if basis.phase is not Phase.ENDED or basis.facts.outcome.state not in (JobState.FAILED, JobState.NODE_FAIL):
        return []
    worst = max(basis.facts.nodes, key=lambda node: len(node.other_failed_jobs_today), default=None)
    if worst is None or not worst.other_failed_jobs_today:
        return []
    others = fmt.count(len(worst.other_failed_jobs_today), "other job")
    return [f"{others} failed on {worst.node} today."]


def _subject(basis: HeadlineBasis) -> str:
    if basis.facts.outcome.source is OutcomeSource.HOOK:
        return "Job"
    return "Batch script" if any(step.step == "batch" for step in _steps(basis)) else "Job"


def _steps(basis: HeadlineBasis) -> tuple[StepRecord, ...]:
    return basis.facts.record.steps if basis.facts.record else ()


def _after(basis: HeadlineBasis) -> str:
    return f" after {fmt.duration(basis.ran.used)}" if basis.ran.used is not None else ""


def _where(basis: HeadlineBasis) -> str:
    nodes = basis.allocation.node_list
    if not nodes:
        return ""
    return f" on {nodes}" if len(nodes) <= 24 else f" on {fmt.count(basis.allocation.node_count or 0, 'node')}"


def _on_only_node(basis: HeadlineBasis) -> str:
    return (
        f" on {basis.allocation.node_list}" if basis.allocation.node_count == 1 and basis.allocation.node_list else ""
    )
