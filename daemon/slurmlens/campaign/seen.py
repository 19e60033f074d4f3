"""What the world says of a campaign's jobs at one moment: the controller's only input besides the journal and the time.

Owns the types between `scheduler`, `results` and `controller`. Pure values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from slurmlens.campaign.early_stop import ObjectiveCourse
from slurmlens.campaign.fold import AttemptId
from slurmlens.campaign.record import AttemptOutcome


class QueuedJob(NamedTuple):
    """One line of squeue or sacct. `state` is the base state's word; times are seconds since the epoch."""

    job_id: int
    name: str
    state: str
    reason: str
    node_list: str
    started_s: float | None
    elapsed_s: float
    nodes: int
    exit_code: int | None = None


class Finish(NamedTuple):
    """An attempt that is over, with what its files say."""

    outcome: AttemptOutcome
    reason: str
    node_list: str
    node_seconds: float
    source: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Sight:
    """One look. `queue` is None where slurmctld did not answer; then nothing may be concluded from absence."""

    queue: Mapping[int, QueuedJob] | None = None
    finished: Mapping[AttemptId, Finish] = field(default_factory=dict)
    courses: Mapping[AttemptId, ObjectiveCourse] = field(default_factory=dict)
