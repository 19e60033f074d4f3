"""What the SPANK plugin, and hooks of tasks and of srun, reported of a sighting's steps, over what was sampled: pure.

Owns which of two figures is believed. The plugin's are read at the exit of each task, so they are exact where they are
complete, however short the step was and whether or not this daemon ran then; a sample is what is left where the plugin
was not. Invariants: a step that was reported twice is the same as reported once; at most `MOST_STEPS` are kept of one
sighting (a script may start steps for days), the first ones that ended go. Used by `sighting`, `roster` and `machine`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from slurmlens.events import Figure, FigureSource, StepTotals, Totals
from slurmlens.hook_events import StepEvent, StepRole

MOST_STEPS = 1000

_EXACT = (FigureSource.PARENT_REST, FigureSource.TASK_EXIT)
_SAMPLED_ALONE = ("step", "samples")


def take(steps: dict[str, StepTotals], event: StepEvent) -> None:
    """Add one event to what is known; a start that comes after its exit, or again, changes nothing the exit said."""
    known = steps.get(event.told.step)
    if known is None:
        steps[event.told.step] = event.told
    else:
        steps[event.told.step] = _added(known, event.told) if event.from_hook else _merged(known, event)
    if len(steps) > MOST_STEPS:
        ended = (name for name, step in steps.items() if step.ended_ns is not None)
        del steps[next(ended, next(iter(steps)))]


def _merged(known: StepTotals, event: StepEvent) -> StepTotals:
    """Of start and exit each tells what the other does not know; of two exits the last one counts."""
    told = event.told
    first, last = (told, known) if event.role is StepRole.START else (known, told)
    started_ns = first.started_ns if last.started_ns is None else last.started_ns
    return msgspec.structs.replace(
        last,
        started_ns=started_ns,
        tag=last.tag or first.tag,
        command=last.command or first.command,
        modules=last.modules or first.modules,
        container=last.container or first.container,
        programs=last.programs or first.programs,
    )


def _added(known: StepTotals, told: StepTotals) -> StepTotals:
    """A hook's word adds what nobody else has told; of the ends of a step's tasks the last one counts."""
    is_exact = bool(known.exits) or known.cpu_s is not None
    ends = [time_ns for time_ns in (known.ended_ns, told.ended_ns) if time_ns is not None]
    return msgspec.structs.replace(
        known,
        started_ns=told.started_ns if known.started_ns is None else known.started_ns,
        ended_ns=known.ended_ns if is_exact else max(ends, default=None),
        tag=known.tag or told.tag,
        command=known.command or told.command,
        modules=known.modules or told.modules,
        container=known.container or told.container,
        programs=told.programs or known.programs,
    )


def overlay(totals: Totals, steps: Mapping[str, StepTotals] | Sequence[StepTotals]) -> Totals:
    """The sampled totals with everything that the plugin knows better."""
    told = {step.step: step for step in (steps.values() if isinstance(steps, Mapping) else steps)}
    if not told:
        return totals
    sampled = {step.step: step for step in totals.steps}
    joined = {name: _over(sampled.get(name), step) for name, step in told.items()}
    every = tuple((sampled | joined)[name] for name in sorted(sampled | joined))
    return msgspec.structs.replace(
        totals,
        steps=every,
        cpu_s=_job_cpu(totals, every, told),
        memory_peak_bytes=totals.memory_peak_bytes or _highest(every),
    )


def _over(sampled: StepTotals | None, told: StepTotals) -> StepTotals:
    if sampled is None:
        return told
    known = {
        name: value
        for name in told.__struct_fields__
        if name not in _SAMPLED_ALONE and (value := getattr(told, name)) not in (None, ())
    }
    return msgspec.structs.replace(sampled, **known)


def _job_cpu(totals: Totals, steps: Sequence[StepTotals], told: Mapping[str, StepTotals]) -> Figure | None:
    """The sum of exact steps where the job's own figure is less than exact, and no step is missing in that sum.

    A share of what several dead jobs used together is such a figure, and so is a last sample, and so is the rest of a
    parent that comes to less than the steps: parent and children are not read at one moment. What `extern` used (a
    login to the node) no task's exit tells: it is as it was sampled.
    """
    own = totals.cpu_s
    exact_s = sum(step.cpu_s.value for step in steps if step.cpu_s and step.cpu_s.source is FigureSource.TASK_EXIT)
    if own is not None and own.complete and own.source in _EXACT and own.value >= exact_s:
        return own
    of_tasks = [step for step in steps if step.step != "extern"]
    if not of_tasks or not all(step.cpu_s and step.cpu_s.source is FigureSource.TASK_EXIT for step in of_tasks):
        return own
    figures = [step.cpu_s for step in steps if step.cpu_s is not None]
    # Where nobody sampled, only the end of extern says that the plugin was there from first to last.
    was_seen = totals.samples > 0 or ("extern" in told and told["extern"].ended_ns is not None)
    return Figure(
        value=sum(figure.value for figure in figures),
        source=FigureSource.TASK_EXIT,
        complete=was_seen and all(figure.complete for figure in figures if figure.source is FigureSource.TASK_EXIT),
    )


def _highest(steps: Sequence[StepTotals]) -> Figure | None:
    """The job's peak where nobody sampled it: at least its highest step's, and that where it had but one."""
    peaks = [step.memory_peak_bytes for step in steps if step.memory_peak_bytes is not None]
    if not peaks:
        return None
    highest = max(peaks, key=lambda peak: peak.value)
    return msgspec.structs.replace(highest, complete=highest.complete and len(peaks) == 1)
