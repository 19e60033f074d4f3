"""The demo's jobs and how each must end: both workloads with and without the faulty node, one job of every end.

What does not fail on the faulty node keeps away from it, so that the common cause of the failures can be seen. Pure.
`jobs` names everything; the expectation of random jobs depends on the nodes that the scheduler gave them
(`expected_end`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from deploy.workloads.generate import Fault, Submission, gemm, pingpong, submissions

FAULT_AFTER_S = 5
FAULTY_EXIT = "42:0"
RANDOM_MAX_NODES = 2


class Role(Enum):
    """What a job is there to show; the value is what the demo prints."""

    MPI = "MPI over two nodes"
    MPI_FAULTY = "MPI with the faulty node"
    SCRIPT = "script over two nodes"
    SCRIPT_FAULTY = "script with the faulty node"
    ALONE_FAULTY = "script on the faulty node alone"
    ARRAY = "array of three tasks"
    SHORT = "0.3 s of CPU time"
    MEMORY = "wants more memory than it asked for"
    CANCELLED = "cancelled while it runs"
    RANDOM = "random"


@dataclass(frozen=True)
class Planned:
    """A job to submit, and its end where that does not depend on the nodes it gets ("" else)."""

    role: Role
    submission: Submission
    state: str = "COMPLETED"
    exit_code: str = "0:0"


def jobs(nodes: Sequence[str], seed: int, random_count: int) -> list[Planned]:
    """Everything that the demo submits; the last node is the faulty one."""
    faulty = nodes[-1]
    fault = Fault(faulty, FAULT_AFTER_S)
    with_it, without_it = f"--nodelist={faulty}", f"--exclude={faulty}"
    failed = ("FAILED", FAULTY_EXIT)
    return [
        Planned(Role.MPI, gemm("alice", 2, (1024, 20, 25), fault, without_it)),
        Planned(Role.MPI_FAULTY, gemm("bob", 2, (1024, 20, 25), fault, with_it), *failed),
        Planned(Role.SHORT, _plain("eve", "short", "burn", "0.3", options=(without_it,))),
        Planned(Role.SCRIPT, pingpong("john", 2, (16, 2, 8192), fault, without_it)),
        Planned(Role.ARRAY, _plain("carol", "array", "burn", "2", options=("--array=1-3", without_it))),
        Planned(
            Role.MEMORY,
            _plain("dave", "greedy", "grow", "400", options=("--mem=128", without_it)),
            "OUT_OF_MEMORY",
            "0:125",
        ),
        Planned(Role.CANCELLED, _plain("alice", "endless", "sleep", "600"), "CANCELLED", "0:0"),
        Planned(Role.SCRIPT_FAULTY, pingpong("jane", 2, (8, 4, 8192), fault, with_it), *failed),
        *(
            Planned(Role.ALONE_FAULTY, pingpong(who, 1, (1, 1, 8192), fault, with_it), *failed)
            for who in ("eve", "dave")
        ),
        *(Planned(Role.RANDOM, each, "") for each in submissions(seed, random_count, RANDOM_MAX_NODES, fault)),
    ]


def expected_end(planned: Planned, nodes: Sequence[str], faulty: str) -> tuple[str, str]:
    """(state, exit code) that the job must end with, given the nodes it ran on."""
    if planned.state:
        return planned.state, planned.exit_code
    return ("FAILED", FAULTY_EXIT) if faulty in nodes else ("COMPLETED", "0:0")


def _plain(user: str, name: str, program: str, argument: str, options: tuple[str, ...] = ()) -> Submission:
    return Submission(user, name, options, "plain.sh", (program, argument))
