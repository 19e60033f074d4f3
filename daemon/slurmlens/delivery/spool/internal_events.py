"""What the spool says about itself: each a log line and a counter (see `telemetry.internal`)."""

from __future__ import annotations

import logging

from slurmlens.telemetry.internal import InternalEvent, lasting

OPENED = InternalEvent(
    "spool_opened",
    logging.INFO,
    "{folder} ({durability}): {events} batches of events, {metrics} of metrics and {logs} of log lines wait",
)
VOLATILE = InternalEvent(
    "spool_volatile",
    logging.WARNING,
    "{folder} is in memory: volatile. It outlives this daemon but no reboot, and holds at most {max_bytes} bytes",
)
MEMORY_ONLY = InternalEvent(
    "spool_memory_only",
    logging.WARNING,
    "{problem}: what waits is kept in memory alone. Set [spool] path to a local disk",
)
FAILED = lasting(
    "spool_failed",
    logging.ERROR,
    "the spool's disk takes nothing ({reason}): {problem}. Events stay in the dropbox until a receiver has them; "
    "tried again every {retry_s:g} s",
    ("reason",),
)
RECOVERED = InternalEvent("spool_recovered", logging.INFO, "the spool's disk is in order again")
DROPPED = InternalEvent(
    "queue_dropped_lines", logging.ERROR, "{lines} lines of {stream} were dropped: {reason}", ("stream", "reason")
)
