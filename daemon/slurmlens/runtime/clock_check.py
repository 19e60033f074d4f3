"""A wall clock that cannot be right: a machine whose battery is empty begins in 1970 until something sets it.

Nothing stops for it, for jobs run then as well; what is dated meanwhile is dated wrong, which one line says. Owns
nothing; each program's `main` asks once at its start.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.telemetry.internal import InternalEvent, Reporter

EARLIEST_NS = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_S
"""Before this there was no such program."""
CLOCK_IS_WRONG = InternalEvent(
    "clock_is_wrong",
    logging.WARNING,
    "this machine's clock says {date}: all that is dated now is dated wrong. Set it: timedatectl set-ntp true",
)


def report_a_wrong_clock(clock: Clock, reporter: Reporter) -> None:
    """One line where the wall clock stands before this program was written."""
    wall_ns = clock.wall_ns()
    if wall_ns < EARLIEST_NS:
        reporter.report(CLOCK_IS_WRONG, date=datetime.fromtimestamp(wall_ns / NS_PER_S, UTC).date().isoformat())
