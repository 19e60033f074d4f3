"""CPU time of a process, its own or another's, in nanoseconds.

Reads the process' CPU clock (clock_getcpuclockid(3)): it counts all threads, those that ended included, and is
exact where /proc/PID/stat counts ticks of 10 ms. Children are not in it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

NS_PER_S = 1_000_000_000
# Linux' encoding of "the scheduler's clock of process PID" in a clockid_t, see <linux/posix-timers.h>.
_CPUCLOCK_SCHED = 2
_PID_SHIFT = 3


def cpu_ns(pid: int) -> int:
    """Nanoseconds of CPU that process `pid` has used; ProcessLookupError where it is gone."""
    try:
        return time.clock_gettime_ns((~pid << _PID_SHIFT) | _CPUCLOCK_SCHED)
    except OSError as error:
        raise ProcessLookupError(f"process {pid} is gone") from error


def system_share(pid: int) -> float:
    """Share of its CPU time that the process spent in the kernel, since it began (from /proc/PID/stat, 10 ms ticks)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return system / max(1, user + system)


def resident_bytes(pid: int) -> int:
    """RSS of the process as the kernel counts it (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has no memory: it is a zombie")


def children_cpu_ns() -> int:
    """CPU time of this process' ended and awaited children."""
    times = os.times()
    return round((times.children_user + times.children_system) * NS_PER_S)


def open_descriptors(pid: int) -> int:
    """How many descriptors the process has open; its own user or root may ask."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
