"""What every daemon does with its own process: one of a kind on a machine, enough descriptors, what it costs.

Owns nothing that lasts. Used by `node.main` and `node.relay.main`.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
from pathlib import Path


def give_back_heap() -> None:
    """Hand what the heap has free to the system, where the C library can (glibc): after work that comes seldom."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def lock_folder(folder: Path) -> int | None:
    """A descriptor that holds this daemon's lock, None where another process has it.

    A folder that cannot be made is no reason not to run: the status socket will tell.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def raise_descriptor_limit() -> int:
    """Raises the soft limit to the hard one, which the unit's `LimitNOFILE` decides, and returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return int(hard)


def read_boot_id(root: Path = Path("/")) -> str:
    """What the kernel calls this boot; `root` is a made-up tree in tests."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def resident_bytes() -> int:
    """The memory of this process that is in the machine's."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_s() -> float:
    """The CPU time of this process, user and system."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
