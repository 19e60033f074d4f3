"""What goes into the registry (stimuli) and what comes out (instructions), as frozen values.

The pipeline makes stimuli from the dropbox, the cgroup tree and the clock, and carries out instructions. A cgroup is
named here by an opaque text, its path below the cgroup root: the registry never opens one.
"""

from __future__ import annotations

import msgspec

from slurmlens.clock import Moment
from slurmlens.events import AnyEvent, JobIdentity, JobSummary, StepTotals
from slurmlens.hook_events import HookEvent, StepEvent


class HookSeen(msgspec.Struct, frozen=True):
    """A hook's event was read from the dropbox; perhaps again, after a restart."""

    at: Moment
    event: HookEvent


class StepTold(msgspec.Struct, frozen=True):
    """An event of the SPANK plugin's was read from the dropbox; perhaps again, after a restart."""

    at: Moment
    event: StepEvent


class CgroupAppeared(msgspec.Struct, frozen=True):
    """A job's cgroup is there; `job` is what the tree tells of it (id, uid, SLUID)."""

    at: Moment
    cgroup: str
    job: JobIdentity


class CgroupVanished(msgspec.Struct, frozen=True):
    """A job's cgroup was removed."""

    at: Moment
    cgroup: str


class StepAppeared(msgspec.Struct, frozen=True):
    """A step's cgroup is there, inside the job's."""

    at: Moment
    job_cgroup: str
    cgroup: str
    step: str


class StepVanished(msgspec.Struct, frozen=True):
    """A step's cgroup was removed."""

    at: Moment
    job_cgroup: str
    cgroup: str


class TreeWalked(msgspec.Struct, frozen=True):
    """The whole cgroup tree was looked at: of what was there before this daemon, all has appeared by now."""

    at: Moment


class TimePassed(msgspec.Struct, frozen=True):
    """Time has passed."""

    at: Moment


class Retimed(msgspec.Struct, frozen=True):
    """The settings changed while the daemon runs: how long slots rest, how often a heartbeat goes out."""

    at: Moment
    slot_rest_s: float
    heartbeat_interval_s: float


Stimulus = (
    HookSeen
    | StepTold
    | CgroupAppeared
    | CgroupVanished
    | StepAppeared
    | StepVanished
    | TreeWalked
    | TimePassed
    | Retimed
)


class Emit(msgspec.Struct, frozen=True):
    """Deliver this event."""

    event: AnyEvent


class KnownHook(msgspec.Struct, frozen=True):
    """This hook event was handled before: nothing to deliver, its file may go once the first copy has arrived."""

    event_id: str


class Watch(msgspec.Struct, frozen=True):
    """Sample this cgroup for sighting `number`, its figures to carbon under `slot` (None: with the rest).

    `from_zero` is False where the cgroup already served an earlier run, so that its counters do not begin with this
    one. `earlier_steps` is what an earlier daemon saw of its steps.
    """

    number: int
    cgroup: str
    job_id: int
    slot: int | None
    from_zero: bool
    earlier_steps: tuple[StepTotals, ...] = ()


class Unwatch(msgspec.Struct, frozen=True):
    """The cgroup is gone; the sighting may get another one or end."""

    number: int
    cgroup: str


class WatchStep(msgspec.Struct, frozen=True):
    """Sample this step for sighting `number`."""

    number: int
    job_cgroup: str
    cgroup: str
    step: str


class UnwatchStep(msgspec.Struct, frozen=True):
    """The step is gone."""

    number: int
    job_cgroup: str
    cgroup: str


class ReadOften(msgspec.Struct, frozen=True):
    """The job's user asked for its counters to be read this often (SLURMLENS_INTERVAL)."""

    job_id: int
    interval_s: float


class StepUnplaced(msgspec.Struct, frozen=True):
    """This event is of a job that is summed up already, or that nobody saw: that is reported, and the event lost."""

    event: StepEvent


class Summarise(msgspec.Struct, frozen=True):
    """The sighting is over: fill totals and profile into the draft, deliver it, forget the number.

    The draft is a valid event by itself and says "nothing measured": what to send where the sampler has nothing.
    `reported_steps` go over what the sampler has.
    """

    number: int
    draft: JobSummary
    reported_steps: tuple[StepTotals, ...] = ()


Instruction = Emit | KnownHook | Watch | Unwatch | WatchStep | UnwatchStep | ReadOften | StepUnplaced | Summarise
