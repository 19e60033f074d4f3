"""P8: resident memory of the daemon with its default sinks, and what one more sink adds.

The target speaks of an hour; this run watches for a minute and tells how much it grew in it. `--soak-minutes 60` is
the whole hour.
"""

from __future__ import annotations

import time

from bench.cpu_time import resident_bytes
from bench.default_state import default_state
from bench.node_daemon import DaemonShape
from bench.result import Goal, Result, Row
from bench.setting import Setting

MIB = 1024 * 1024


DEFAULT_SINKS = Row(
    "P8", "RSS with hub and carbon, 200 cgroups", Goal(32, "< 32 MiB"), Goal(24, "< 24 MiB"), "absolute", " MiB"
)
FURTHER_SINK = Row(
    "P8",
    "RSS added by a further sink (file)",
    Goal(8, "+ 8 MiB"),
    Goal(4, "+ 4 MiB"),
    "the same daemon without it",
    " MiB",
)
ROWS = (DEFAULT_SINKS, FURTHER_SINK)


def measure(setting: Setting) -> list[Result]:
    before, after, how_long = _resident(setting)
    note = f"after {how_long}; grew by {(after - before) / 1024:.0f} KiB in it"
    return [DEFAULT_SINKS.measured(after / MIB, note), _further_sink(setting)]


def _resident(setting: Setting) -> tuple[int, int, str]:
    if not setting.soak_minutes:
        watched = default_state(setting)
        return watched.resident_before_bytes, watched.resident_bytes, f"{watched.seconds:.0f} s"
    with setting.daemon(DaemonShape(setting.tree.node)) as daemon:
        daemon.settle()
        before = resident_bytes(daemon.pid)
        time.sleep(60 * setting.soak_minutes)
        return before, resident_bytes(daemon.pid), f"{setting.soak_minutes} minutes"


def _further_sink(setting: Setting) -> Result:
    """The same daemon without and with the file sink, both just settled."""
    sizes = []
    for file_sink in (False, True):
        with setting.daemon(DaemonShape(setting.tree.node, file=file_sink)) as daemon:
            daemon.settle()
            sizes.append(resident_bytes(daemon.pid))
    return FURTHER_SINK.measured((sizes[1] - sizes[0]) / MIB, "one start each")
