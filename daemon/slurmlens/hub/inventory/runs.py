"""A run as the inventory's questions see it: whose it was, where, from when to when, and how it ended.

Owns the type between `read.runs_at`, which makes it of history's rows, and the pure questions. Does no input or output.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from slurmlens.slurm.records import JobState


class RunNumber(NamedTuple):
    """Which run of which job: ids come again, by requeues and once the greatest was given."""

    job_id: int
    run: int


class PlacedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one job on its nodes; `end_ns` is None while it runs."""

    job_id: int
    run: int
    state: JobState
    name: str | None = None
    user: str | None = None
    account: str | None = None
    partition: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    nodes: tuple[str, ...] = ()

    @property
    def number(self) -> RunNumber:
        """Which one it is."""
        return RunNumber(self.job_id, self.run)
