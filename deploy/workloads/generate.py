"""Seeded random work, as people submit it: a random user, workload and parameters. Pure: `submissions` only decides.

What is printed is what is run: `Submission.command` is the very argument list that goes to sbatch.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from deploy.accounts import USERS

GEMM_SIZES = (256, 384, 512)
GEMM_DELAYS_MS = (50, 250, 500)
PINGPONG_SIZES_MIB = (4, 8, 16)
PINGPONG_SPEEDS_KIB = (4096, 8192)


@dataclass(frozen=True)
class Fault:
    """The faulty node and how long after its start a job on it fails."""

    node: str
    after_s: int

    @property
    def arguments(self) -> tuple[str, str]:
        return self.node, str(self.after_s)


@dataclass(frozen=True)
class Submission:
    """One sbatch call: who, with which options, which script with which arguments."""

    user: str
    name: str
    options: tuple[str, ...]
    script: str
    arguments: tuple[str, ...] = ()

    def command(self, folder: str) -> list[str]:
        """The argument list of sbatch; `folder` is where the workloads are."""
        options = ["--parsable", f"--job-name={self.name}", *self.options]
        return ["sbatch", *options, f"{folder}/{self.script}", *self.arguments]

    def shown(self, folder: str) -> str:
        """The same as a line that can be pasted into a shell."""
        return f"{self.user}$ {shlex.join(self.command(folder))}"


def gemm(user: str, nodes: int, load: tuple[int, int, int], fault: Fault, *options: str) -> Submission:
    """The MPI workload, one rank a node; `load` is matrix size, rounds, delay in ms."""
    arguments = (*map(str, load), *fault.arguments)
    return Submission(user, "GeMM", (f"--nodes={nodes}", "--ntasks-per-node=1", *options), "gemm.sh", arguments)


def pingpong(user: str, nodes: int, load: tuple[int, int, int], fault: Fault, *options: str) -> Submission:
    """The script workload between first and last node; `load` is size in MiB, returns, speed in KiB/s."""
    arguments = (*map(str, load), *fault.arguments)
    return Submission(user, "PingPong", (f"--nodes={nodes}", "--ntasks-per-node=1", *options), "pingpong.sh", arguments)


def submissions(seed: int, count: int, max_nodes: int, fault: Fault) -> Iterator[Submission]:
    """`count` random submissions of at most `max_nodes` nodes; the same seed gives the same list."""
    source = random.Random(seed)
    for _ in range(count):
        user, nodes = source.choice(USERS).name, source.randint(1, max_nodes)
        if source.random() < 0.5:
            load = (source.choice(GEMM_SIZES), source.randint(2, 4), source.choice(GEMM_DELAYS_MS))
            yield gemm(user, nodes, load, fault)
        else:
            load = (source.choice(PINGPONG_SIZES_MIB), source.randint(1, 2), source.choice(PINGPONG_SPEEDS_KIB))
            yield pingpong(user, nodes, load, fault)
