"""What hooks of tasks and of srun said at the socket, as the step events that the registry knows; pure.

Owns which step a word is about: a task's hook speaks from inside its own step, srun's from the step that srun runs in,
and names the one it starts. Invariant: a request that cannot be read is left out and named, the rest counts. Used by
`stage`.
"""

from __future__ import annotations

from slurmlens.clock import Moment
from slurmlens.events import JobIdentity, Place, StepTotals, derived_id
from slurmlens.hook_events import StepEvent, StepRole
from slurmlens.node.appsocket.accounts import NO_STEP
from slurmlens.wire.app_message import StepWord, ToldStep
from slurmlens.wire.step import asked_interval_s

_ROLES = {
    StepWord.BEGIN: StepRole.START,
    StepWord.RUN: StepRole.START,
    StepWord.END: StepRole.EXIT,
    StepWord.OVER: StepRole.EXIT,
}


def step_event(job_id: int, step: str | None, told: ToldStep, place: Place, at: Moment) -> StepEvent:
    """The event that a hook's word is; `step` is the one whose cgroup the hook runs in."""
    role, name = _ROLES[told.word], told.step or step or NO_STEP
    interval_s, unusable = asked_interval_s(told.interval)
    is_start = role is StepRole.START
    totals = StepTotals(
        step=name,
        started_ns=at.wall_ns if is_start else None,
        ended_ns=None if is_start else at.wall_ns,
        tag=told.tag,
        command=told.command,
        modules=told.modules,
        container=told.container,
    )
    return StepEvent(
        id=derived_id(place.cluster, place.node, str(job_id), name, told.word.value, str(at.boottime_ns)),
        role=role,
        time_ns=at.wall_ns,
        boot_id=place.boot_id,
        boottime_ns=at.boottime_ns,
        node=place.node,
        job=JobIdentity(job_id=job_id),
        told=totals,
        interval_s=interval_s,
        notify=told.notify,
        unusable=unusable,
        from_hook=True,
    )
