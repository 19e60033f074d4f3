"""One file of the controller's dropbox to a `ControllerEvent`; pure. The format is `docs/specs/hook-event.md`.

Owns the two roles of slurmctld's hooks; what the variables mean is `hook_variables`'. Invariants: as those of `hook`.
There is one such file a job and not one a node, so each goes the thorough way. Fed by `dropbox`; feeds
`hub.scheduler.controller_hooks`.
"""

import enum
from typing import Annotated, Literal

import msgspec

from slurmlens.events import JobIdentity, Unsigned
from slurmlens.wire import hook_file, hook_variables

_MOST_CHARS = 1024
_COMMENT, _DEPENDENCY = "SLURM_JOB_COMMENT", "SLURM_JOB_DEPENDENCY"


class ControllerRole(enum.Enum):
    """Which hook of slurmctld wrote an event file."""

    PROLOG = "prolog-slurmctld"
    EPILOG = "epilog-slurmctld"


class ControllerEvent(msgspec.Struct, frozen=True, gc=False):
    """One decoded file of the controller's dropbox (`docs/specs/hook-event.md`): slurmctld gives a job its nodes, or
    takes them back. `comment` and `dependency` are the user's own words.
    """

    id: str
    role: ControllerRole
    time_ns: int
    cluster: str | None
    job: JobIdentity
    comment: str | None = None
    dependency: str | None = None
    unusable: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    node: str | None = None
    """Always None: it is of no node."""


class _ControllerFile(msgspec.Struct, frozen=True):
    v: Literal[1]  # hook_file.VERSION
    id: Annotated[str, msgspec.Meta(pattern=hook_file.EVENT_ID)]
    role: ControllerRole
    time_ns: Unsigned
    env: dict[str, str | int]
    cut: tuple[str, ...] = ()


_decode_file = msgspec.json.Decoder(_ControllerFile).decode


def decode(data: bytes) -> ControllerEvent:
    """The event in `data`, the whole content of one file.

    Raises DecodeError with reason `too_long`, `malformed`, `field` or `job_id`; UnsupportedVersion where `v` is not
    ours.
    """
    hook_file.check_size(data)
    try:
        file = _decode_file(data)
    except hook_file.NO_JSON as error:
        raise hook_file.refusal(data, error) from error
    env = {name: _text(value) for name, value in file.env.items() if value != ""}
    job, unusable = hook_variables.identify(env)
    cluster, comment, dependency = (env.get(name) for name in (hook_variables.CLUSTER, _COMMENT, _DEPENDENCY))
    return ControllerEvent(
        file.id,
        file.role,
        file.time_ns,
        None if cluster is None else str(cluster),
        job,
        _short(comment),
        _short(dependency),
        unusable,
        file.cut,
    )


def _text(value: str | int) -> str | int:
    return hook_file.as_utf8(value).replace("\0", "\ufffd") if isinstance(value, str) else value


def _short(value: str | int | None) -> str | None:
    return None if value is None or value == "(null)" else str(value)[:_MOST_CHARS]
