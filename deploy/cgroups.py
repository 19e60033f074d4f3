"""Which cgroup set-up a small Slurm can use on this machine.

`choose` is pure: it takes what `look` read and gives a `Choice` with its reason, which the demo prints. Run on cgroup
v1 (hybrid); the two v2 choices follow Slurm's documentation and are tested on recorded mounts only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ROOT = "/sys/fs/cgroup"
# proctrack needs the freezer, jobacct_gather the other two; cpuset and devices only widen what is constrained.
V1_NEEDED = frozenset({"freezer", "cpuacct", "memory"})
V2_NEEDED = frozenset({"cpu", "memory"})


class Kind(Enum):
    V1 = "cgroup v1"
    V2_SYSTEMD = "cgroup v2 under systemd"
    V2_CONTAINER = "cgroup v2 in a container"
    NONE = "no cgroups"


@dataclass(frozen=True)
class Machine:
    """What decides: /proc/mounts, whether pid 1 is systemd, whether cgroup2 may be written, and its controllers."""

    mounts: str
    systemd: bool
    cgroup2_writable: bool
    cgroup2_controllers: frozenset[str] = V2_NEEDED


@dataclass(frozen=True)
class Choice:
    """A kind with its reason and the controllers that Slurm finds there."""

    kind: Kind
    reason: str
    controllers: frozenset[str] = frozenset()

    @property
    def has_cgroups(self) -> bool:
        return self.kind is not Kind.NONE


@dataclass(frozen=True)
class Mount:
    """One line of /proc/mounts."""

    target: str
    kind: str
    options: frozenset[str]


def look() -> Machine:
    """Reads the machine."""
    controllers = Path(ROOT, "cgroup.controllers")
    return Machine(
        mounts=Path("/proc/mounts").read_text(),
        systemd=Path("/proc/1/comm").read_text().strip() == "systemd",
        cgroup2_writable=os.access(f"{ROOT}/cgroup.subtree_control", os.W_OK),
        cgroup2_controllers=frozenset(controllers.read_text().split()) if controllers.exists() else frozenset(),
    )


def choose(machine: Machine) -> Choice:
    """The widest set-up that the machine allows: v1 where its controllers are mounted, else v2, else none."""
    mounts = [mount for mount in map(_mount, machine.mounts.splitlines()) if mount is not None]
    controllers = _v1_controllers(mounts)
    if controllers >= V1_NEEDED:
        return Choice(Kind.V1, "the v1 controllers are mounted writable", controllers)
    root = next((mount for mount in reversed(mounts) if mount.target == ROOT), None)
    if root is None or root.kind != "cgroup2":
        missing = ", ".join(sorted(V1_NEEDED - controllers))
        return Choice(Kind.NONE, f"no cgroup2 on {ROOT}, and of v1 these are not mounted writable: {missing}")
    return _v2(machine, root)


def _v2(machine: Machine, root: Mount) -> Choice:
    if "rw" not in root.options or not machine.cgroup2_writable:
        return Choice(Kind.NONE, f"cgroup2 on {ROOT} is read-only for us")
    lacking = V2_NEEDED - machine.cgroup2_controllers
    if lacking:
        return Choice(Kind.NONE, f"cgroup2 on {ROOT} does not offer: {', '.join(sorted(lacking))}")
    if machine.systemd:
        return Choice(Kind.V2_SYSTEMD, "cgroup2 is mounted and pid 1 is systemd", machine.cgroup2_controllers)
    return Choice(
        Kind.V2_CONTAINER, "cgroup2 is mounted and writable, pid 1 is not systemd", machine.cgroup2_controllers
    )


def cgroup_conf(choice: Choice) -> str:
    """The text of cgroup.conf.

    Both v2 kinds say IgnoreSystemd: slurmd runs in a pid namespace, and a pid that it would send to systemd over D-Bus
    for its scope would name another process there.
    """
    if choice.kind is Kind.NONE:
        return "CgroupPlugin=disabled\n"
    lines = [f"CgroupMountpoint={ROOT}", "ConstrainRAMSpace=yes"]
    lines += ["CgroupPlugin=cgroup/v1" if choice.kind is Kind.V1 else "CgroupPlugin=cgroup/v2\nIgnoreSystemd=yes"]
    lines += ["ConstrainCores=yes"] if "cpuset" in choice.controllers else []
    if choice.kind is Kind.V1 and "devices" in choice.controllers:
        lines += ["ConstrainDevices=yes"]
    return "\n".join([*lines, "AllowedSwapSpace=0", "ConstrainSwapSpace=yes", ""])


def plugin_lines(choice: Choice) -> str:
    """The lines of slurm.conf that depend on the choice."""
    if choice.has_cgroups:
        track, task, gather = "cgroup", "cgroup,task/affinity", "cgroup"
    else:
        track, task, gather = "linuxproc", "none", "linux"
    return f"ProctrackType=proctrack/{track}\nTaskPlugin=task/{task}\nJobAcctGatherType=jobacct_gather/{gather}\n"


def _v1_controllers(mounts: list[Mount]) -> frozenset[str]:
    """Controllers mounted writable at the place where Slurm looks, ROOT/<controller> (a joint mount such as cpu,cpuacct
    counts under both names: systemd links them)."""
    found: set[str] = set()
    for mount in mounts:
        if mount.kind == "cgroup" and "rw" in mount.options and mount.target.startswith(f"{ROOT}/"):
            names = mount.target.removeprefix(f"{ROOT}/").split(",")
            found.update(name for name in names if name in mount.options)
    return frozenset(found)


def _mount(line: str) -> Mount | None:
    fields = line.split(" ")
    if len(fields) < 4:
        return None
    return Mount(fields[1], fields[2], frozenset(fields[3].split(",")))
