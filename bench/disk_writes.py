"""DISK: what a healthy node writes to its disk, by the kernel's account of the process (/proc/PID/io, write_bytes).

200 jobs at 1 Hz, hub and carbon up, the spool on the disk. Events are committed as they come, so none may come: the
heartbeat is put off and the jobs go on. What one heartbeat costs is told beside it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.node_daemon import DaemonShape, NodeDaemon
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

ROWS = (
    Row(
        "DISK",
        "bytes written to the disk per tick, 200 cgroups, hub and carbon up",
        Goal(0, "0"),
        Goal(0, "0"),
        "/proc/PID/io",
        " bytes",
    ),
)
NEVER_S = 3600.0
HEARTBEATS = 5
MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs"}


def measure(setting: Setting) -> list[Result]:
    ticks = setting.choose(60, 20)
    with setting.daemon(DaemonShape(setting.tree.node, interval_s=1.0, heartbeat_interval_s=NEVER_S)) as daemon:
        _on_a_disk(daemon.spool)
        daemon.settle()
        began = daemon.status()["sampler"]["ticks"]
        written = _written(daemon, ticks)
        done = daemon.status()["sampler"]["ticks"] - began
    with setting.daemon(DaemonShape(setting.idle_node, heartbeat_interval_s=1.0)) as daemon:
        daemon.settle()
        heartbeat = _written(daemon, HEARTBEATS) / HEARTBEATS
    note = f"{written} bytes in {done} ticks; for comparison, an event committed: {heartbeat / 1024:.0f} KiB"
    return [ROWS[0].measured(written / done, note)]


def _written(daemon: NodeDaemon, seconds: int) -> int:
    """Bytes that the process made the kernel write to a disk meanwhile."""
    before = write_bytes(daemon.pid)
    time.sleep(seconds)
    return write_bytes(daemon.pid) - before


def write_bytes(pid: int) -> int:
    """What a process has made the kernel write to a disk so far; NotMeasurable where the kernel keeps no account."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        name, _, value = line.partition(": ")
        if name == "write_bytes":
            return int(value)
    raise NotMeasurable("the kernel keeps no account of the process' I/O")


def _on_a_disk(folder: Path) -> None:
    """On a tmpfs nothing is ever written to a disk, and the row would say nothing."""
    device = os.stat(folder).st_dev
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[2] == f"{os.major(device)}:{os.minor(device)}":
            if fields[fields.index("-") + 1] in MEMORY_FILE_SYSTEMS:
                raise NotMeasurable("the temporary folder is in memory: set TMPDIR to one on a disk")
            return
