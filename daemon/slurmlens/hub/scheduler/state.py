"""How the scheduler fares: what it last answered and when, and whether its silence is too long to be believed.

Owned by the `poller`, which alone writes it; read by whoever concludes from the scheduler's word, and by /status.json.
Where several hubs share a database, one asks, and the others take over (`adopt`) what it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.access.viewer import Viewer
from slurmlens.slurm.sdiag_text import SchedulerLoad, SchedulerStatistics

SILENT_AFTER_S = 120.0
SILENT_AFTER_POLLS = 4


@dataclass(slots=True)
class SchedulerState:
    """How the scheduler fares, for /status.json.

    `records_refused` and `fields_unknown` (by field) count what answers held that could not be made out.
    """

    release: str | None = None
    asked_since_ns: int = 0
    last_queue_ns: int | None = None
    last_accounting_ns: int | None = None
    last_error: str | None = None
    failures: int = 0
    cluster: str | None = None
    """Slurm's own ClusterName, once it is known."""

    is_foreign: bool = False
    """Whether that is another than the hub's setting."""

    records_refused: int = 0
    fields_unknown: dict[str, int] = field(default_factory=dict)
    statistics: SchedulerStatistics | None = None
    """What sdiag said last, and what it had said before."""

    statistics_before: SchedulerStatistics | None = None

    def adopt(self, told: Mapping[str, Any]) -> None:
        """Knows from now on what another hub's poller knows; what is no such document changes nothing."""
        try:
            known = msgspec.convert(told, SchedulerState)
        except msgspec.ValidationError:
            return
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(known, name))


class SchedulerSilence:
    """Judges a scheduler that is asked every `interval_s`."""

    def __init__(self, state: SchedulerState, interval_s: float, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._patience_ns = round(max(SILENT_AFTER_S, SILENT_AFTER_POLLS * interval_s) * NS_PER_S)

    def since_ns(self) -> int | None:
        """Since when the scheduler has not given its queue, where that is too long ago to be believed; else None."""
        since_ns = self._state.last_queue_ns or self._state.asked_since_ns
        return since_ns if self._clock.wall_ns() - since_ns > self._patience_ns else None

    def load(self, viewer: Viewer) -> SchedulerLoad | None:
        """How slurmctld fares by its own counters, without the names of who asked for those who may not see the hub;
        None while that is not known, or no longer true."""
        last = self._state.statistics
        if last is None or self._clock.wall_ns() / NS_PER_S - last.at_s > SILENT_AFTER_S:
            return None
        if not viewer.sees_the_hub:
            last = msgspec.structs.replace(last, rpc_users=())
        return SchedulerLoad(last, self._state.statistics_before)
