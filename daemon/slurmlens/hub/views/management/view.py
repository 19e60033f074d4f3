"""The management's view of a cluster in a window: page, JSON and terminal show this same model.

Owns the types. Numbers are raw; each figure has beside it what it stands on.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from slurmlens.hub.usage.facts import JobTypeUse, Outage, UsageBacklog
from slurmlens.hub.usage.habits import Concern
from slurmlens.hub.usage.service_levels import ServiceLevel
from slurmlens.hub.views.usage.view import UsageTable


class StateShare(msgspec.Struct, frozen=True, kw_only=True):
    """One state of the nodes' cores: core-seconds, and their share of all."""

    state: str
    core_s: int
    share: float


class UtilisationRow(msgspec.Struct, frozen=True, kw_only=True):
    """How well a partition (or the cluster, `name` "") was used: of what was installed, and of what was in service.

    `own_core_s` is what the partition's own jobs held; what others held of the same nodes is in its states as well.
    """

    name: str
    total_core_s: int
    own_core_s: int
    of_installed: float | None
    of_in_service: float | None
    states: tuple[StateShare, ...]
    oversubscribed_core_s: int = 0


class CourseBin(msgspec.Struct, frozen=True):
    """A stretch of the window: core-seconds by state."""

    from_s: int
    to_s: int
    core_s: Mapping[str, int]


class ManagementView(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `by` is what the first table is of; `tables` hold one for each dimension."""

    cluster: str
    made_s: int
    from_s: int
    to_s: int
    sentence: str
    by: str
    course: tuple[CourseBin, ...]
    utilisation: tuple[UtilisationRow, ...]
    tables: tuple[UsageTable, ...]
    levels: tuple[ServiceLevel, ...]
    outages: tuple[Outage, ...]
    job_types: tuple[JobTypeUse, ...]
    concerns: tuple[Concern, ...]
    backlog: UsageBacklog
