"""How much of this machine each compute node claims."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from deploy.errors import MachineLacks

NODE_MAX_CORES = 4
NODE_MAX_MEMORY_MIB = 4096


@dataclass(frozen=True)
class NodeShape:
    """Cores, hardware threads and memory of one NodeName line."""

    cores: int
    threads_per_core: int
    memory_mib: int

    @property
    def cpus(self) -> int:
        return self.cores * self.threads_per_core


def node_shape() -> NodeShape:
    """Of slurmd's own view of the machine: never more cores than there are, for job cpusets are cut from them."""
    said = subprocess.run(["slurmd", "-C"], capture_output=True, text=True, check=False)
    return parse_node_shape(said.stdout)


def parse_node_shape(text: str) -> NodeShape:
    """`slurmd -C` prints one NodeName line; raises MachineLacks when it did not."""
    found = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)\b", text)}
    try:
        cores = found.get("SocketsPerBoard", 1) * found.get("Boards", 1) * found["CoresPerSocket"]
        return NodeShape(
            cores=max(1, min(NODE_MAX_CORES, cores)),
            threads_per_core=found["ThreadsPerCore"],
            memory_mib=min(NODE_MAX_MEMORY_MIB, found["RealMemory"]),
        )
    except KeyError as error:
        raise MachineLacks(
            f"`slurmd -C` does not tell {error.args[0]}; it said: {text.strip() or 'nothing'}"
        ) from error
