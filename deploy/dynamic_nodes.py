"""Compute nodes that are in no slurm.conf: each a slurmd that registers by itself (`slurmd -Z`), at its own address.

Slurm gives every dynamic node one port, so that nodes of one machine differ by their loopback address and host name;
both stand in the sandbox's own /etc/hosts. A slurmd registers drained: whoever makes it a member (`slurmlens
membership`) tells slurmctld its address, for on the loopback interface slurmctld sees the wrong one, and resumes it.
So that each slurmd listens at its own address there is NoInAddrAny, which must not hold for the srun of a job:
slurmstepd answers it at the address that it sees. A TaskProlog gives jobs a slurm.conf without (`lay_out_for_jobs`).
`scontrol reconfigure` of 22.05.8 with dynamic nodes ends slurmctld: it is restarted instead where that is needed.
"""

from __future__ import annotations

from pathlib import Path

from deploy.component import Service
from deploy.hardware import NodeShape
from deploy.sandbox import Sandbox
from deploy.slurm_conf import is_odd

MOST = 1024
FIRST_ADDRESS = (127, 77, 0, 0)


OWN_ADDRESS = "CommunicationParameters=NoInAddrAny\n"
FOR_JOBS = "slurm/for-jobs"


def lay_out_for_jobs(sandbox: Sandbox) -> None:
    """The slurm.conf that jobs see, and the TaskProlog that has them see it; after slurm.conf is written."""
    folder = sandbox.make_folder(FOR_JOBS)
    etc = sandbox.folder / "etc/slurm"
    for name in ("slurm.conf", "cgroup.conf", "plugstack.conf"):
        (folder / name).write_text((etc / name).read_text().replace(OWN_ADDRESS, ""))
    program = folder / "task-prolog"
    program.write_text(f"#!/bin/sh\necho export SLURM_CONF={folder}/slurm.conf\n")
    program.chmod(0o755)


def slurm_conf_lines(port: int, folder: Path) -> str:
    """What slurm.conf needs of them: partitions are made of features, for no name is known before."""
    return f"""SlurmdPort={port}
{OWN_ADDRESS}TaskProlog={folder}/{FOR_JOBS}/task-prolog
MaxNodeCount={MOST}
TreeWidth=65533
DebugFlags=NO_CONF_HASH
NodeSet=every Feature=compute
NodeSet=odds Feature=odd
NodeSet=evens Feature=even
PartitionName=all Nodes=every Default=YES State=UP MaxTime=INFINITE DefMemPerCPU=256
PartitionName=odd Nodes=odds Default=NO State=UP MaxTime=INFINITE DefMemPerCPU=256
PartitionName=even Nodes=evens Default=NO State=UP MaxTime=INFINITE DefMemPerCPU=256
"""


def address(number: int) -> str:
    """The loopback address of compute node `number`."""
    first, second, third, _ = FIRST_ADDRESS
    return f"{first}.{second}.{third + (number + 1) // 250}.{(number + 1) % 250 + 1}"


def features(name: str) -> str:
    """The demo's partitions as features."""
    return f"compute,{'odd' if is_odd(name) else 'even'}"


class DynamicSlurmd(Service):
    """One slurmd with the host name of its node."""

    def __init__(self, sandbox: Sandbox, number: int, shape: NodeShape) -> None:
        self.node = f"{sandbox.identity}-compute{number}"
        self.address = address(number)
        self._hosts = sandbox.folder / "etc/hosts"
        conf = (
            f"CPUs={shape.cpus} Sockets=1 CoresPerSocket={shape.cores} ThreadsPerCore={shape.threads_per_core}"
            f" RealMemory={shape.memory_mib} Feature={features(self.node)} State=DRAIN"
        )
        command = 'hostname "$1"; exec slurmd -D -Z -N "$1" --conf "$2"'
        argv = ["unshare", "--uts", "sh", "-c", command, "sh", self.node, conf]
        super().__init__(sandbox, f"slurmd.{self.node}", argv, lambda: True)

    def start(self) -> None:
        """Gives it its address and its spool folder first."""
        line = f"{self.address} {self.node}\n"
        if line not in self._hosts.read_text():
            with self._hosts.open("a") as hosts:
                hosts.write(line)
        self._sandbox.make_folder(f"slurm/spool.{self.node}")
        super().start()
