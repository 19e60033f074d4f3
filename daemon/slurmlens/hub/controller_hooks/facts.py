"""What slurmctld's hooks told of a job, as values."""

from __future__ import annotations

import msgspec

from slurmlens.wire.controller_hook import ControllerRole


class ControllerWord(msgspec.Struct, frozen=True, kw_only=True):
    """One hook's: PROLOG, the job is given its nodes; EPILOG, it has ended everywhere. `comment` and `dependency` are
    its user's words."""

    time_ns: int
    role: ControllerRole
    exit_code: int | None = None
    exit_signal: int | None = None
    comment: str | None = None
    dependency: str | None = None
