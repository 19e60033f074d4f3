"""Problems that are recognised by their signs: a row a problem, tried in this order. Pure.

A sign is the state, a figure, or a line that was said; the line itself stands in the answer, so that everybody can see
what was recognised. A new problem is a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from slurmlens.assess.documents import JoinedJob, KnownProblems
from slurmlens.wire.assessment import KnownProblem

Sign = Callable[[JoinedJob], str | None]
"""The sign by which it is recognised, in words; None where there is none."""

IDLE_CPU = 0.10
LEAST_RAN_S = 60.0


class _Problem(NamedTuple):
    name: str
    sign: Sign
    words: str
    advice: str


def match(job: JoinedJob) -> KnownProblems:
    """Those that are recognised."""
    found = ((row, row.sign(job)) for row in _TABLE)
    return KnownProblems(
        tuple(KnownProblem(row.name, row.words, row.advice, sign) for row, sign in found if sign is not None)
    )


def _state(*states: str) -> Sign:
    return lambda job: job.metrics.state_text if job.metrics.state in states else None


def _line(pattern: str) -> Sign:
    wanted = re.compile(pattern, re.IGNORECASE)
    return lambda job: next((one.text for one in job.events.lines if wanted.search(one.text)), None)


def _first(*signs: Sign) -> Sign:
    return lambda job: next((found for sign in signs if (found := sign(job)) is not None), None)


def _killed(job: JoinedJob) -> str | None:
    node = next((one for one in job.metrics.nodes if one.oom_kills), None)
    return None if node is None else f"{node.oom_kills} processes were killed on {node.name}"


def _idle(job: JoinedJob) -> str | None:
    ratio, ran_s = job.metrics.cpu.ratio, job.metrics.times.ran.used
    if ratio is None or ran_s is None or ran_s < LEAST_RAN_S or ratio >= IDLE_CPU:
        return None
    return f"{ratio:.0%} of its core-seconds were used"


def _one_core(job: JoinedJob) -> str | None:
    """As many core-seconds as one core has, of several that were given."""
    used, asked, ran_s = job.metrics.cpu.used, job.metrics.cpu.asked, job.metrics.times.ran.used
    if used is None or asked is None or ran_s is None or ran_s < LEAST_RAN_S:
        return None
    cores = asked / ran_s
    return f"1 of {cores:.0f} cores was busy" if cores >= 2 and 0.9 <= used / ran_s <= 1.05 else None


_TABLE = (
    _Problem(
        "out of memory",
        _first(_state("OUT_OF_MEMORY"), _killed, _line(r"oom-kill|out of memory")),
        "The kernel ended processes, for the memory that was asked for did not suffice.",
        "Ask for more with --mem, or spread the job over more nodes.",
    ),
    _Problem(
        "time limit",
        _state("TIMEOUT"),
        "It was ended at its time limit.",
        "Ask for more time, or write checkpoints and go on from the last one.",
    ),
    _Problem(
        "node failed",
        _first(_state("NODE_FAIL", "BOOT_FAIL"), _line(r"not responding")),
        "A node was lost.",
        "Submit it again; --exclude keeps it off that node.",
    ),
    _Problem(
        "segmentation fault",
        _line(r"segfault|segmentation fault|signal 11\b|\b0:11\b"),
        "A process touched memory that is not its own.",
        "Run it under a debugger, or with `ulimit -c unlimited` for a core file.",
    ),
    _Problem(
        "program not found",
        _line(r"command not found|no such file or directory|exit(ed)?( code)? (with )?127\b"),
        "A program that the script names is not there.",
        "Load its module in the script, and look at PATH on the compute node.",
    ),
    _Problem(
        "disk full",
        _line(r"no space left on device|disk quota exceeded|\bENOSPC\b|\bEDQUOT\b"),
        "A file system took nothing more.",
        "Free space, or write to another one.",
    ),
    _Problem(
        "communication broke",
        _line(r"connection reset by peer|mpi_abort|ucx.*error|ib_.*(timeout|error)|link down"),
        "Processes lost the connection to each other.",
        "Where it happens on the same nodes again, tell the operators; --exclude helps meanwhile.",
    ),
    _Problem(
        "one core",
        _one_core,
        "One core was busy while others waited.",
        "Start it with srun or mpirun, or set OMP_NUM_THREADS; else ask for one core.",
    ),
    _Problem(
        "idle", _idle, "It held its cores and hardly used them.", "Look at what it waits for: input, licences, a lock."
    ),
)
