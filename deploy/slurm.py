"""A small real Slurm from Debian's packages: munge, MariaDB, slurmdbd, slurmctld and a slurmd per node, in one sandbox.

`SmallSlurm` is what tests, demo and bench use: `start`, then `submit`, `wait`, `accounting`, `slurm` (any command).
Node names begin with the instance's id, so two instances never share cgroup folders. Needs root and Debian's packages;
a machine that lacks one raises MachineLacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deploy import accounts, cgroups
from deploy.component import Service, listens, start_and_wait, wait_ready
from deploy.database import Database
from deploy.errors import ComponentFailed
from deploy.hardware import node_shape
from deploy.munge import Munge
from deploy.sandbox import Sandbox, require_programs
from deploy.slurm_conf import Node, Settings, slurm_conf, slurmdbd_conf

PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
    "sacct",
    "sacctmgr",
)
# States that sacct and scontrol give to a job that will not run again.
ENDED = frozenset(
    {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE"}
)
WAIT_POLL_S = 0.2


@dataclass(frozen=True)
class Accounted:
    """A job as sacct has it."""

    COLUMNS: ClassVar[str] = "JobIDRaw,JobID,State,ExitCode,User,Account,Partition,NodeList"

    job_id: int
    shown: str  # "12_1" for the first task of array 12
    state: str  # the first word only: "CANCELLED by 3001" is CANCELLED
    exit_code: str  # "42:0"
    user: str
    account: str
    partition: str
    nodes: str

    @classmethod
    def parse(cls, line: str) -> Accounted:
        """One line of `sacct -P` with COLUMNS."""
        raw, shown, state, *rest = line.split("|")
        return cls(int(raw), shown, state.split(" ")[0], *rest)

    @property
    def submitted_id(self) -> int:
        """What sbatch answered: the array's id for one of its tasks."""
        return int(self.shown.split("_")[0])

    @property
    def output_name(self) -> str:
        """Name of the batch script's output file where none was asked for."""
        return f"slurm-{self.shown}.out"

    @property
    def complete(self) -> bool:
        """Ended, and its start is recorded too: the end may reach the database first, without the partition."""
        return self.state in ENDED and bool(self.partition)


class SmallSlurm:
    """Slurm with `nodes` compute nodes; `prolog`, `epilog`, `extra_conf`, `plugstack` go to its files as they are."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        nodes: int = 3,
        cluster: str = "demo",
        prolog: Path | None = None,
        epilog: Path | None = None,
        extra_conf: str = "",
        plugstack: str = "",
    ) -> None:
        require_programs(PROGRAMS)
        self._plugstack = plugstack
        self.sandbox = sandbox
        self.cgroup = cgroups.choose(cgroups.look())
        take = sandbox.ports.take
        self.settings = Settings(
            folder=sandbox.folder,
            host_name=sandbox.host_name,
            cluster=cluster,
            nodes=tuple(Node(f"{sandbox.identity}-compute{number}", take()) for number in range(nodes)),
            controller_port=take(),
            database_port=take(),
            shape=node_shape(),
            cgroup=self.cgroup,
            prolog=prolog,
            epilog=epilog,
            extra=extra_conf,
        )
        self.munge = Munge(sandbox)
        self.database = Database(sandbox)
        self.slurmdbd = self._service("slurmdbd", ["slurmdbd", "-D"], user="slurm", port=self.settings.database_port)
        self.controller = self._service(
            "slurmctld", ["slurmctld", "-D", "-i"], user="slurm", port=self.settings.controller_port
        )
        self.slurmds = {
            node.name: self._service(f"slurmd.{node.name}", ["slurmd", "-D", "-N", node.name], port=node.port)
            for node in self.settings.nodes
        }

    @property
    def name(self) -> str:
        return "slurm"

    @property
    def node_names(self) -> list[str]:
        return [node.name for node in self.settings.nodes]

    def start(self) -> None:
        """Starts everything in its order and returns when every node is idle."""
        self.start_accounting()
        self.start_scheduler()

    def start_accounting(self) -> None:
        """The first half: munge, MariaDB, slurmdbd, and the cluster's accounts in it."""
        self.lay_out()
        self.munge.start()
        self.database.start()
        wait_ready(self.munge)
        wait_ready(self.database)
        start_and_wait(self.slurmdbd)
        self.add_accounts()

    def start_scheduler(self) -> None:
        """The second half: slurmctld and a slurmd per node."""
        start_and_wait(self.controller)
        for slurmd in self.slurmds.values():
            slurmd.start()
        for slurmd in self.slurmds.values():
            wait_ready(slurmd)
        self._wait_until("every node idle", self.ready, 60.0)

    def ready(self) -> bool:
        """Whether every node is idle or at work."""
        states = self.slurm("sinfo", "--noheader", "--Node", "--format=%N %t", check=False).split("\n")
        up = {line.split()[0] for line in states if line.split()[1:] in (["idle"], ["mix"], ["alloc"])}
        return up >= set(self.node_names)

    def stop(self) -> None:
        """Ends the daemons, workers first; what is left ends with the sandbox."""
        for service in [*self.slurmds.values(), self.controller, self.slurmdbd, self.database, self.munge]:
            service.stop()

    def slurm(self, *argv: str, user: str | None = None, check: bool = True, timeout_s: float = 60.0) -> str:
        """Standard output of a Slurm command run inside."""
        return self.sandbox.run(argv, user=user, check=check, timeout_s=timeout_s).stdout

    def submit(
        self,
        script: str,
        *options: str,
        user: str = "alice",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> int:
        """Submits a batch script (a text; without `#!` it is given to sh) as the user and returns the job id."""
        text = script if script.startswith("#!") else f"#!/bin/sh\n{script}\n"
        home = cwd or self.sandbox.folder / "home" / user
        argv = ["sbatch", "--parsable", *options]
        said = self.sandbox.run(argv, user=user, env=env, cwd=home, stdin=text).stdout
        return int(said.strip().split(";")[0])

    def state(self, job_id: int) -> str:
        """The job's state as slurmctld knows it now (one word), "" when it does not know the job."""
        said = self.slurm("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T", check=False)
        return said.split("\n")[0].strip()

    def wait(self, job_id: int, timeout_s: float = 60.0) -> Accounted:
        """Waits until the job has ended and its accounting is complete."""
        self._wait_until(f"end of job {job_id}", lambda: self._ended(job_id), timeout_s)
        found = self.accounting(job_id)
        assert found is not None
        return found

    def wait_state(self, job_id: int, state: str, timeout_s: float = 30.0) -> None:
        """Waits until slurmctld gives the job that state."""
        self._wait_until(f"job {job_id} {state}", lambda: self.state(job_id) == state, timeout_s)

    def accounting(self, job_id: int) -> Accounted | None:
        """What sacct has of the job's latest run; None while it has nothing."""
        return next((job for job in self.accounted() if job.job_id == job_id), None)

    def accounted(self) -> list[Accounted]:
        """Every job that sacct has, array tasks each by itself."""
        said = self.slurm("sacct", "-anPX", "--starttime=2000-01-01", f"--format={Accounted.COLUMNS}")
        return [Accounted.parse(line) for line in said.splitlines()]

    def _ended(self, job_id: int) -> bool:
        if self.state(job_id) not in ENDED:  # COMPLETING is not an end: the epilog still runs
            return False
        found = self.accounting(job_id)
        return found is not None and found.complete

    def _wait_until(self, what: str, condition: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise ComponentFailed("slurm", f"no {what} after {timeout_s:.0f} s\n{self._situation()}")
            time.sleep(WAIT_POLL_S)

    def _situation(self) -> str:
        jobs = self.slurm("squeue", "--states=all", "--format=%i %u %T %r %N", check=False)
        return self.slurm("sinfo", "--Node", "--format=%N %T %E", check=False) + jobs

    def lay_out(self) -> None:
        """Its configuration and folders, before anything of it starts."""
        etc = self.sandbox.folder / "etc/slurm"
        (etc / "slurm.conf").write_text(slurm_conf(self.settings))
        (etc / "cgroup.conf").write_text(cgroups.cgroup_conf(self.cgroup))
        (etc / "plugstack.conf").write_text(self._plugstack)
        (etc / "slurmdbd.conf").write_text(slurmdbd_conf(self.settings))
        self.sandbox.run(["chown", "slurm:slurm", "/etc/slurm/slurmdbd.conf"])
        (etc / "slurmdbd.conf").chmod(0o600)
        self.sandbox.make_folder("slurm", owner="slurm")
        self.sandbox.make_folder("slurm/state", owner="slurm", mode=0o700)
        self.sandbox.make_folder("slurm/log", owner="slurm")
        for name in self.node_names:
            self.sandbox.make_folder(f"slurm/spool.{name}")

    def add_accounts(self) -> None:
        """The demo's accounts in slurmdbd.

        The cluster first: a slurmctld that meets a database without it ends with "we have no TRES".
        """
        cluster = self.settings.cluster
        self.slurm("sacctmgr", "-i", "add", "cluster", cluster)
        for group in accounts.GROUPS:
            members = ",".join(user.name for user in accounts.USERS if user.group == group.name)
            what = [f"cluster={cluster}", f"Description={group.name}", "Organization=demo"]
            self.slurm("sacctmgr", "-i", "add", "account", group.name, *what)
            self.slurm("sacctmgr", "-i", "add", "user", members, f"account={group.name}", f"cluster={cluster}")

    def _service(self, name: str, argv: Sequence[str], *, port: int, user: str | None = None) -> Service:
        return Service(self.sandbox, name, argv, lambda: listens(port), user=user)


@contextmanager
def small_slurm(
    *,
    nodes: int = 3,
    prolog: Path | None = None,
    epilog: Path | None = None,
    extra_conf: str = "",
    keep: Sequence[Path] = (),
) -> Iterator[SmallSlurm]:
    """A started small Slurm in a sandbox of its own; everything is gone afterwards."""
    with Sandbox(keep=keep) as sandbox:
        slurm = SmallSlurm(sandbox, nodes=nodes, prolog=prolog, epilog=epilog, extra_conf=extra_conf)
        slurm.start()
        try:
            yield slurm
        finally:
            slurm.stop()
