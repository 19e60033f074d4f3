"""What the list of jobs shows, as page, terminal, JSON and CSV: `JobsView`.

Owns the types and nothing else; made by `build`, drawn by `terminal`, `table` and `hub.web`. Values are raw, as those
of `hub.views.job.view`, whose `Amount` and `Phase` it shares.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.views.job.view import VIEW_VERSION, Amount, Note, Phase, ProgressView
from slurmlens.slurm.records import JobState


class JobLine(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the list of jobs."""

    job_id: int
    run: int
    phase: Phase
    state: JobState
    state_text: str
    name: str | None = None
    user: str | None = None
    account: str | None = None
    partition: str | None = None
    array_job_id: int | None = None
    array_task_id: int | None = None
    array_tasks: str | None = None
    node_list: str | None = None
    node_count: int | None = None
    cores: int | None = None
    submitted_ns: int | None = None
    started_ns: int | None = None
    ended_ns: int | None = None
    expected_start_ns: int | None = None
    reason: str | None = None
    ran: Amount = Amount()
    cpu: Amount = Amount()
    memory: Amount = Amount()
    progress: ProgressView | None = None


class JobsView(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the list of jobs under the filters of its address; `counts` are by phase, of what is listed.

    `after` is the place behind which this page begins, `next` the one behind which the next page does: None at the
    list's begin and end. A page of a rare kind of job may hold few or none and have a next one.
    """

    version: int = VIEW_VERSION
    made_ns: int
    filters: dict[str, str]
    rows: tuple[JobLine, ...]
    counts: dict[str, int]
    limit: int
    more: bool = False
    after: str | None = None
    next: str | None = None
    notes: tuple[Note, ...] = ()
