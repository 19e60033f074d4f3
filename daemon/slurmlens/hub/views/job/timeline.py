"""The time line of a run: stretches (pending, running, steps) and moments (submission, hooks, steps, deaths, end).

Pure. Fed with `JobFacts`; drawn as one band over the charts and as a list in the terminal. Hooks report nanoseconds,
the scheduler whole seconds: within one second the order is the causal one (`_RANKS`), so that a step never seems to
start before its Prolog. The same thing reported by several nodes within `TOGETHER_NS` is one moment naming them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.events import EventKind, Witness
from slurmlens.hub.controller_hooks.facts import ControllerWord
from slurmlens.hub.history.facts import JobFacts, TimelineEntry
from slurmlens.hub.logs.query import StoredLine
from slurmlens.hub.progress.facts import MessageFacts
from slurmlens.hub.views.job.log_marks import log_marks
from slurmlens.hub.views.job.oddities import Stop
from slurmlens.hub.views.job.view import Band, Mark
from slurmlens.hub.views.states import signal_name
from slurmlens.shown import format as fmt
from slurmlens.shown.text import encodable, visible
from slurmlens.slurm import hostlist
from slurmlens.slurm.records import JobState, StepRecord
from slurmlens.wire.controller_hook import ControllerRole

TOGETHER_NS = 2 * NS_PER_S
MOST_STEPS = 40
MOST_MESSAGES = 50
MOST_WORDS_CHARS = 200

_RANKS = {
    name: rank
    for rank, name in enumerate(
        (
            "submit",
            "granted",
            "start",
            "prolog",
            "seen",
            "step-start",
            "told",
            "stop",
            "oom",
            "log",
            "step-end",
            "batch-end",
            "gone",
            "epilog",
            "returned",
            "end",
        )
    )
}
_HOOK_KINDS: dict[tuple[EventKind, Witness], tuple[str, str]] = {
    (EventKind.JOB_START, Witness.HOOK): ("prolog", "prolog"),
    (EventKind.JOB_START, Witness.CGROUP): ("seen", "found in the cgroup tree, without a Prolog"),
    (EventKind.JOB_END, Witness.HOOK): ("epilog", "epilog"),
    (EventKind.JOB_END, Witness.CGROUP): ("gone", "gone from the cgroup tree, without an Epilog"),
}


def build_bands(facts: JobFacts, started_ns: int | None, ended_ns: int | None) -> tuple[Band, ...]:
    """Pending, running (until now while it runs), and each step that has times."""
    bands: list[Band] = []
    if facts.submit_ns is not None:
        until = started_ns if started_ns is not None else ended_ns
        bands.append(Band(kind="pending", start_ns=facts.submit_ns, end_ns=until or facts.as_of_ns))
    if started_ns is not None:
        last = ended_ns if ended_ns is not None else facts.as_of_ns
        bands.append(Band(kind="running", start_ns=started_ns, end_ns=last))
        bands.extend(_step_bands(facts, started_ns, last))
    return tuple(bands)


def _step_bands(facts: JobFacts, started_ns: int, last_ns: int) -> Iterator[Band]:
    for step in _shown_steps(facts):
        if step.start_s is None or step.step == "batch":
            continue
        start_ns = max(step.start_s * NS_PER_S, started_ns)
        end_ns = step.end_s * NS_PER_S if step.end_s is not None else last_ns
        yield Band(kind=f"step {step.step}", start_ns=start_ns, end_ns=min(max(end_ns, start_ns), last_ns))


def build_marks(
    facts: JobFacts,
    stops: dict[str, Stop],
    messages: Sequence[MessageFacts] = (),
    lines: Sequence[StoredLine] = (),
    controller: Sequence[ControllerWord] = (),
) -> tuple[Mark, ...]:
    """Every moment worth a line, in the order in which things happened.

    `messages` are what its processes reported, `lines` what was logged about it, `controller` what slurmctld's hooks
    told.
    """
    steps = [_within_run(mark, facts) for mark in _step_marks(facts)]
    marks = [*_job_marks(facts), *_hook_marks(facts.timeline), *steps, *_told_marks(messages), *log_marks(lines)]
    marks += map(_controller_mark, controller)
    marks.extend(
        Mark(time_ns=stop.time_ns, kind="stop", text="stopped computing", where=name, loud=True)
        for name, stop in stops.items()
    )
    return tuple(sorted(marks, key=lambda mark: (mark.time_ns // NS_PER_S, _RANKS[mark.kind], mark.time_ns)))


def _job_marks(facts: JobFacts) -> Iterator[Mark]:
    if facts.submit_ns is not None:
        yield Mark(time_ns=facts.submit_ns, kind="submit", text="submitted")
    if facts.end_ns is not None and facts.outcome.state.has_ended:
        loud = facts.outcome.state not in (JobState.COMPLETED, JobState.CANCELLED)
        yield Mark(time_ns=facts.end_ns, kind="end", text=f"ended: {facts.outcome.label}", loud=loud)


def _told_marks(messages: Sequence[MessageFacts]) -> Iterator[Mark]:
    for told in messages[-MOST_MESSAGES:]:
        who = f"step {told.step}" if told.step.isdecimal() else told.step
        task = "" if told.rank is None else f" task {told.rank}"
        text = f"{who}{task}: {encodable(told.text)}"
        yield Mark(time_ns=told.time_ns, kind="told", text=text, where=told.node)


def _controller_mark(told: ControllerWord) -> Mark:
    """The user's own words stand here alone, where the job's readers see them."""
    said = [("depends on", told.dependency), ("comment:", told.comment)]
    words = [f"{what} {visible(text)[:MOST_WORDS_CHARS]}" for what, text in said if text]
    if told.role is ControllerRole.PROLOG:
        return Mark(time_ns=told.time_ns, kind="granted", text="; ".join(["slurmctld gave it its nodes", *words]))
    ended = "slurmctld took its nodes back"
    if told.exit_code is not None:
        ended += f", exit code {told.exit_code}:{told.exit_signal or 0}"
    return Mark(time_ns=told.time_ns, kind="returned", text=ended)


def _hook_marks(entries: Iterable[TimelineEntry]) -> Iterator[Mark]:
    groups: dict[tuple[str, str], list[list[TimelineEntry]]] = {}
    for entry in sorted(entries, key=lambda entry: entry.time_ns):
        if entry.witness is None or (kind := _HOOK_KINDS.get((entry.kind, entry.witness))) is None:
            continue
        runs = groups.setdefault((kind[0], entry.detail or kind[1]), [])
        if runs and entry.time_ns - runs[-1][0].time_ns <= TOGETHER_NS:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    for (kind_name, text), runs in groups.items():
        for run in runs:
            where = hostlist.fold_or_list(dict.fromkeys(entry.node for entry in run))
            yield Mark(time_ns=run[0].time_ns, kind=kind_name, text=text, where=where)


def _within_run(mark: Mark, facts: JobFacts) -> Mark:
    """A step's whole seconds brought inside the run that hooks timed finer, where they miss it by rounding."""
    time_ns = mark.time_ns
    if facts.start_ns is not None and 0 < facts.start_ns - time_ns < TOGETHER_NS:
        time_ns = facts.start_ns
    if facts.end_ns is not None and 0 < time_ns - facts.end_ns < TOGETHER_NS:
        time_ns = facts.end_ns
    return msgspec.structs.replace(mark, time_ns=time_ns)


def _step_marks(facts: JobFacts) -> Iterator[Mark]:
    for step in _shown_steps(facts):
        is_batch = step.step == "batch"
        name = "batch script" if is_batch else f"step {step.step}"
        where = hostlist.fold_or_list(step.nodes) if step.nodes and not is_batch else None
        if step.start_s is not None and not is_batch:
            tasks = f": {fmt.count(step.task_count, 'task')}" if step.task_count else ""
            yield Mark(time_ns=step.start_s * NS_PER_S, kind="step-start", text=f"{name} started{tasks}", where=where)
        if step.end_s is not None and step.state.has_ended:
            yield Mark(
                time_ns=step.end_s * NS_PER_S,
                kind="batch-end" if is_batch else "step-end",
                text=f"{name} {step_end_words(step)}",
                where=where,
                loud=step.state not in (JobState.COMPLETED, JobState.CANCELLED),
            )


def step_end_words(step: StepRecord) -> str:
    """`exited with 42`, `was killed by SIGKILL`, `ended`."""
    if step.state is JobState.OUT_OF_MEMORY:
        return "was killed for memory"
    if step.exit_signal:
        return f"was ended by {signal_name(step.exit_signal)}"
    if step.exit_code:
        return f"exited with {step.exit_code}"
    if step.state is JobState.CANCELLED:
        return "was cancelled"
    return "ended"


def _shown_steps(facts: JobFacts) -> tuple[StepRecord, ...]:
    """Steps that people started; Slurm's own (extern) is no event, and of very many the last are not drawn."""
    steps = facts.record.steps if facts.record else ()
    return tuple(step for step in steps if step.step != "extern")[:MOST_STEPS]
