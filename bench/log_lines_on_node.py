"""What log lines cost a node: 1,000 a second from the journal to a hub, and a journal in which nothing is written.

The daemon reads entries as journalctl writes them, a write each, from a program in its place; they are of 40 jobs.
Reference is the same daemon with its log inputs off, in the same run; the figure is what comes on top, as a share of
one core. What journalctl itself takes is not in it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench.cpu_time import cpu_ns, resident_bytes
from bench.node_daemon import DaemonShape
from bench.result import Goal, Result, Row
from bench.setting import Setting

RATE_PER_S = 1000
AT_RATE = Row(
    "LOGS",
    f"{RATE_PER_S:,} lines a second from the journal to the hub: share of one core",
    Goal(2.0, "< 2 %"),
    Goal(1.0, "< 1 %"),
    "the same daemon, log inputs off",
    " %",
)
IDLE = Row("LOGS", "a journal without news: share of one core", Goal(0.05, "nothing"), Goal(0.01), "as above", " %")
ROWS = (AT_RATE, IDLE)
SETTINGS = """
[logs]
[logs.journal]
program = "{program}"
"""


def measure(setting: Setting) -> list[Result]:
    seconds = setting.choose(60, 15)
    without, _, _ = _watched(setting, None, seconds)
    idle, _, idle_bytes = _watched(setting, 0, seconds)
    busy, lines, busy_bytes = _watched(setting, RATE_PER_S, seconds)
    note = f"{lines / seconds:.0f} lines a second arrived; {busy_bytes / 2**20:.1f} MiB resident"
    return [
        AT_RATE.measured(100 * (busy - without), note),
        IDLE.measured(max(0.0, 100 * (idle - without)), f"{idle_bytes / 2**20:.1f} MiB resident"),
    ]


def _watched(setting: Setting, rate_per_s: int | None, seconds: int) -> tuple[float, int, int]:
    """Share of one core, lines that arrived, and memory at the end; `rate_per_s` None has log inputs off."""
    more = "" if rate_per_s is None else SETTINGS.format(program=_program(setting.new_folder(), rate_per_s))
    with setting.daemon(DaemonShape("n0", carbon=False, more_settings=more)) as daemon:
        daemon.settle()
        before_ns, before_lines = cpu_ns(daemon.pid), setting.receivers.counts()["log_lines"]
        begin_s = time.monotonic()
        time.sleep(seconds)
        share = (cpu_ns(daemon.pid) - before_ns) / 1e9 / (time.monotonic() - begin_s)
        return share, setting.receivers.counts()["log_lines"] - before_lines, resident_bytes(daemon.pid)


def _program(folder: Path, rate_per_s: int) -> Path:
    folder.chmod(0o755)
    path = folder / "journalctl"
    source = Path(__file__).with_name("logging_journal.py")
    path.write_text(f"#!/bin/sh\nexec {sys.executable} {source} {rate_per_s}\n")
    path.chmod(0o755)
    return path
