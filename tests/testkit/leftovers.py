"""What an instance of deploy/ could leave behind, looked for without asking deploy/ itself."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

GONE_MAX_S = 10.0
POLL_S = 0.05
# Files of the host that an instance has private copies of.
ACCOUNT_FILES = ("/etc/passwd", "/etc/group", "/etc/hosts")
PLACES = ("/run", "/var/tmp", "/dev/shm", "/etc/slurm", "/run/munge", "/run/slurmlens", "/var/lib/slurm")


def processes_of(identity: str) -> list[str]:
    """Command lines of processes that belong to the instance: by name, or by what they have mounted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            mounts = (folder / "mounts").read_text()
        except OSError:
            continue
        if int(folder.name) != os.getpid() and f"slurmlens-{identity}" in command + mounts:
            found.append(command)
    return found


def wait_gone(identity: str) -> list[str]:
    """What still runs after the kernel has had its time; [] when all is gone."""
    deadline = time.monotonic() + GONE_MAX_S
    while (left := processes_of(identity)) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return left


def cgroup_processes(identity: str) -> list[str]:
    """Processes in any cgroup whose path names the instance's nodes, in all controllers."""
    found: list[str] = []
    for top in Path("/sys/fs/cgroup").glob("*/"):
        for folder in top.glob(f"*{identity}-compute*"):
            for procs in folder.rglob("cgroup.procs"):
                found += procs.read_text().split()
    return found


def tree_outside() -> set[str]:
    """What lies where an instance could have written by mistake; in /tmp, where others write, what its users own."""
    users = {pwd.getpwnam(name).pw_uid for name in ("slurm", "munge", "mysql")} | set(range(3000, 5000))
    paths = [path for place in PLACES if Path(place).is_dir() for path in Path(place).iterdir()]
    paths += [path for path in Path("/tmp").iterdir() if path.lstat().st_uid in users]
    return {str(path) for path in paths}


def account_files() -> list[bytes]:
    """The host's own account files as they are."""
    return [Path(name).read_bytes() for name in ACCOUNT_FILES]
