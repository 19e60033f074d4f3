"""Memory of each NUMA node, and pages that had to be taken from another's.

`/sys/devices/system/node/node*/meminfo` (`Node 0 MemTotal:  1024 kB`) and `numastat` (kernel: admin-guide/numastat).
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

FOLDER = "sys/devices/system/node"
_MEMORY = {"MemTotal:": "total_bytes", "MemFree:": "free_bytes"}
_COUNTERS = {"numa_miss": "misses_per_second", "numa_foreign": "foreign_per_second"}


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    nodes = [name for name in look.files.names(FOLDER) if name.startswith("node") and name[4:].isdecimal()]
    for node in nodes if len(nodes) > 1 else ():  # of a single one `memory` tells the same
        for line in (look.files.text(f"{FOLDER}/{node}/meminfo") or "").splitlines():
            words = line.split()
            if len(words) > 3 and words[2] in _MEMORY:
                yield Sample(_MEMORY[words[2]], node, int(words[3]))
        for line in (look.files.text(f"{FOLDER}/{node}/numastat") or "").splitlines():
            key, _, rest = line.partition(" ")
            if key in _COUNTERS:
                yield Sample(_COUNTERS[key], node, int(rest))
