"""P9: CPU time from exec to READY=1, against an interpreter that only imports asyncio; the same one runs both."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from bench.node_daemon import DaemonShape
from bench.result import Goal, Result, Row, interleave
from bench.setting import Setting

ROWS = (
    Row(
        "P9",
        'start-up CPU until ready / `python3 -c "import asyncio"`',
        Goal(2.0),
        Goal(1.3),
        "the same interpreter importing asyncio",
    ),
)


def measure(setting: Setting) -> list[Result]:
    pairs = interleave(lambda: _daemon_ms(setting), _asyncio_ms, setting.choose(11, 5))
    ours, reference = statistics.median(pairs.ours), statistics.median(pairs.reference)
    note = f"{ours:.0f} ms against {reference:.0f} ms"
    return [ROWS[0].measured(pairs.ratio, note)]


def _daemon_ms(setting: Setting) -> float:
    with setting.daemon(DaemonShape(setting.idle_node)) as daemon:
        return daemon.ready_cpu_ns / 1e6


def _asyncio_ms() -> float:
    process = subprocess.Popen([sys.executable, "-c", "import asyncio"])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return (usage.ru_utime + usage.ru_stime) * 1e3
