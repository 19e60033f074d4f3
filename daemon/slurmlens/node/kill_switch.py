"""The flag files that silence this node, an admin's and the hub's: while one is there, nothing is read between a job's
begin and its end.

The hooks and the SPANK plugin look at the same file each time they run. Looked at every few seconds, so that a node is
silent without a restart and without slurm.conf; reported when it changes, because figures of the time are missing. Fed
by the file system; feeds the sampler's schedule through `pipeline`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from slurmlens.telemetry.internal import InternalEvent, Reporter

CHECK_INTERVAL_S = 5.0

SILENCED = InternalEvent(
    "node_silenced", logging.WARNING, "{path} is there: counters are read at a job's begin and end alone until it goes"
)
HEARD_AGAIN = InternalEvent("node_heard_again", logging.INFO, "{path} is gone: counters are read as configured")


class KillSwitch:
    """Calls `on_change` with whether the node is to be silent, once for each change."""

    def __init__(
        self,
        paths: Sequence[Path],
        on_change: Callable[[bool], None],
        reporter: Reporter,
        check_interval_s: float = CHECK_INTERVAL_S,
    ) -> None:
        self._paths = tuple(paths)
        self._on_change = on_change
        self._reporter = reporter
        self._check_interval_s = check_interval_s
        self._is_silent = False

    async def run(self) -> None:
        """For ever."""
        while True:
            self.look()
            await asyncio.sleep(self._check_interval_s)

    def look(self) -> None:
        """Look once: any of the flags silences. A folder that cannot be looked into holds no flag."""
        there = [path for path in self._paths if path.exists()]
        is_silent = bool(there)
        if is_silent == self._is_silent:
            return
        self._is_silent = is_silent
        self._reporter.report(SILENCED if is_silent else HEARD_AGAIN, path=there[0] if there else self._paths[0])
        self._on_change(is_silent)
