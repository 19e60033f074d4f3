"""P8: resident memory of the daemon with its default sinks, and what one more sink adds.

The target speaks of an hour, in which the profiles reach their bound and are sent twelve times. That row runs only with
`--soak-minutes 60`; the others tell of the first minute.
"""

from __future__ import annotations

import time

from bench.cpu_time import open_descriptors, resident_bytes
from bench.default_state import default_state
from bench.node_daemon import DaemonShape
from bench.result import Goal, Result, Row
from bench.setting import Setting

MIB = 1024 * 1024


DEFAULT_SINKS = Row(
    "P8", "RSS with hub and carbon, 200 cgroups", Goal(32, "< 32 MiB"), Goal(24, "< 24 MiB"), "absolute", " MiB"
)
AFTER_AN_HOUR = Row(
    "P8",
    "RSS with hub and carbon, 200 cgroups, after an hour",
    DEFAULT_SINKS.must,
    DEFAULT_SINKS.aim,
    "absolute",
    " MiB",
)
FURTHER_SINK = Row(
    "P8",
    "RSS added by a further sink (file)",
    Goal(8, "+ 8 MiB"),
    Goal(4, "+ 4 MiB"),
    "the same daemon without it",
    " MiB",
)
ROWS = (DEFAULT_SINKS, AFTER_AN_HOUR, FURTHER_SINK)


def measure(setting: Setting) -> list[Result]:
    watched = default_state(setting)
    grown_kib = (watched.resident_bytes - watched.resident_before_bytes) / 1024
    note = f"after {watched.seconds:.0f} s; grew by {grown_kib:.0f} KiB in it"
    return [DEFAULT_SINKS.measured(watched.resident_bytes / MIB, note), _after_an_hour(setting), _further_sink(setting)]


def _after_an_hour(setting: Setting) -> Result:
    if not setting.soak_minutes:
        return AFTER_AN_HOUR.no_figure('not run: make bench ARGS="--only P8 --soak-minutes 60"')
    with setting.daemon(DaemonShape(setting.tree.node)) as daemon:
        daemon.settle()
        before, open_before = resident_bytes(daemon.pid), open_descriptors(daemon.pid)
        sizes = []
        for _ in range(setting.soak_minutes):
            time.sleep(60)
            sizes.append(resident_bytes(daemon.pid))
        opened = open_descriptors(daemon.pid)
    after, half = sizes[-1], sizes[len(sizes) // 2]
    note = (
        f"after {setting.soak_minutes} minutes; grew by {(after - before) / MIB:.1f} MiB in them,"
        f" {(after - half) / MIB:.2f} MiB of it in the second half; descriptors {open_before} at first, {opened} then"
    )
    return AFTER_AN_HOUR.measured(after / MIB, note)


def _further_sink(setting: Setting) -> Result:
    """The same daemon without and with the file sink, both just settled."""
    sizes = []
    for file_sink in (False, True):
        with setting.daemon(DaemonShape(setting.tree.node, file=file_sink)) as daemon:
            daemon.settle()
            sizes.append(resident_bytes(daemon.pid))
    return FURTHER_SINK.measured((sizes[1] - sizes[0]) / MIB, "one start each")
