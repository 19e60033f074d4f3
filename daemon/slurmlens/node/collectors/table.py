"""The collectors, a row each: its name, and what must be there for it to have anything to read.

Owns the list; a collector's file is `<name>.py` beside this one, loaded when its row is first met on a machine that has
one of its files. So a node without InfiniBand pays nothing for InfiniBand. Read by `collecting`, `config.collectors`
and `docs/metrics.md`.
"""

from typing import NamedTuple


class CollectorRow(NamedTuple):
    """One collector; `needs`: any of these paths, below the root."""

    name: str
    needs: tuple[str, ...]


COLLECTORS = (
    CollectorRow("cpu", ("proc/stat",)),
    CollectorRow("load", ("proc/loadavg",)),
    CollectorRow("memory", ("proc/meminfo",)),
    CollectorRow("numa", ("sys/devices/system/node/node1",)),
    CollectorRow("vmstat", ("proc/vmstat",)),
    CollectorRow("pressure", ("proc/pressure/cpu",)),
    CollectorRow("disk", ("proc/diskstats",)),
    CollectorRow("filesystem", ("proc/self/mountinfo",)),
    CollectorRow("network", ("proc/net/dev",)),
    CollectorRow("tcp", ("proc/net/snmp",)),
    CollectorRow("nfs", ("proc/net/rpc/nfs",)),
    CollectorRow("lustre", ("proc/fs/lustre", "sys/kernel/debug/lustre")),
    CollectorRow("infiniband", ("sys/class/infiniband",)),
    CollectorRow(
        "sessions",
        (
            "sys/fs/cgroup/user.slice",
            "sys/fs/cgroup/cpu,cpuacct/user.slice",
            "sys/fs/cgroup/cpuacct/user.slice",
            "sys/fs/cgroup/pids/user.slice",
        ),
    ),
    CollectorRow("rapl", ("sys/class/powercap/intel-rapl:0",)),
    CollectorRow("hwmon", ("sys/class/hwmon/hwmon0",)),
    CollectorRow("thermal", ("sys/devices/system/cpu/cpu0/thermal_throttle", "sys/devices/system/cpu/cpu0/cpufreq")),
    CollectorRow("edac", ("sys/devices/system/edac/mc/mc0",)),
    CollectorRow("clock", ("proc/self/stat",)),
)
