"""What hooks could not deliver: the counter files they leave, and temporary files of hooks that were killed.

Owns how much of it was reported already. Looked at now and then by `stage.Dropbox`: an event that is lost here is lost
for good, so every one of them is an ERROR that names its hook.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.dropbox import intake
from slurmlens.telemetry.internal import InternalEvent, Reporter

ROLES = ("prolog", "epilog", "step-start", "step-exit", "unknown")
"""`unknown`: called by somebody else than slurmd, or without a job id."""

CONTROLLER_ROLES = ("prolog-slurmctld", "epilog-slurmctld", "unknown")

ABANDONED_AFTER_NS = 60 * NS_PER_S

LOST = InternalEvent(
    "hook_events_lost",
    logging.ERROR,
    "{lost} events could not be written by the {role} hook since this was last looked at ({path})",
    ("role",),
)
ABANDONED = InternalEvent(
    "hook_event_abandoned", logging.ERROR, "{path}: the hook was killed while it wrote; its event is lost"
)


class Losses:
    """Tells each loss once in the life of this process; those from before its start with the first look."""

    def __init__(self, lost_folder: Path, reporter: Reporter, clock: Clock, roles: tuple[str, ...] = ROLES) -> None:
        """`lost_folder` holds one file for each role, which grows by a byte for each event lost."""
        self._lost_folder = lost_folder
        self._reporter = reporter
        self._clock = clock
        self._told = dict.fromkeys(roles, 0)

    def look(self, folder: Path) -> None:
        """Look at the counters, and at `folder` for what was abandoned there. Raises OSError for the folder alone."""
        for role in self._told:
            self._look_at_counter(role)
        for name in intake.abandoned_names(folder, self._clock.boottime_ns(), ABANDONED_AFTER_NS):
            path = folder / name
            path.unlink(missing_ok=True)
            self._reporter.report(ABANDONED, path=path)

    def _look_at_counter(self, role: str) -> None:
        path = self._lost_folder / role
        try:
            count = os.stat(path, follow_symlinks=False).st_size
        except OSError:
            return  # no event was ever lost
        grown = count - self._told[role]
        # An operator who has read it may well empty it: then it counts from there.
        self._told[role] = count
        if grown > 0:
            self._reporter.report(LOST, count=grown, lost=grown, role=role, path=path)
