"""What Slurm's hooks and the SPANK plugin say, as frozen values: one a file of the dropbox.

Owns these types; does no I/O and knows no encoding. Made by `wire.hook` and `wire.step` of what lies in the dropbox;
`node.registry` makes events of them.
"""

from __future__ import annotations

import enum

import msgspec

from slurmlens.events import JobIdentity, StepTotals


class HookRole(enum.Enum):
    """Which hook wrote an event file; the value stands in the file and in the emitter's `argv[0]`."""

    PROLOG = "prolog"
    EPILOG = "epilog"


class HookEvent(msgspec.Struct, frozen=True, gc=False):
    """One decoded file of the dropbox (`docs/specs/hook-event.md`).

    `unusable` names variables whose value was not what it should be (their field is None), `cut` those that
    were too long; `job.cut` names the fields that hold only the beginning of such a one.
    """

    id: str
    role: HookRole
    time_ns: int
    boot_id: str
    boottime_ns: int
    cluster: str | None
    node: str | None
    job: JobIdentity
    unusable: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


class StepRole(enum.Enum):
    """Which of a step's events a file holds; the value stands in the file and in its name."""

    START = "step-start"
    EXIT = "step-exit"


class StepEvent(msgspec.Struct, frozen=True, gc=False):
    """One decoded file of the SPANK plugin's (`docs/specs/step-event.md`).

    `told` is what it says of the step: at the start who it is, at the exit how it ended and what it used. `interval_s`
    and `notify` are what the user asked for, at the start alone; `unusable` names requests that are none.
    """

    id: str
    role: StepRole
    time_ns: int
    boot_id: str
    boottime_ns: int
    node: str | None
    job: JobIdentity
    told: StepTotals
    interval_s: float | None = None
    notify: str | None = None
    unusable: tuple[str, ...] = ()
    from_hook: bool = False
    """Told by a hook of tasks or of srun through the socket for jobs: it adds to what the plugin says, and no more."""


DropboxRole = HookRole | StepRole
DropboxEvent = HookEvent | StepEvent
"""What lies in the dropbox."""
