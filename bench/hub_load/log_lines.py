"""Made log lines of a made history (`job_mix`): requests as senders make them, and lines as a store keeps them.

Owns the mix: a third each of Slurm's daemons, of jobs' own tags, and of programs that have nothing to do with jobs,
with a line of trouble now and then. Used by P21, P28 and P29.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from bench.hub_load.job_mix import JobMix
from slurmlens.hub.logs.query import NOBODY, JobOwner
from slurmlens.hub.logs.store import Lines
from slurmlens.log_lines import LogLine

NS = 10**9
NODES = 500
WORDS = [
    "opening",
    "reading",
    "writing",
    "closing",
    "file",
    "checkpoint",
    "iteration",
    "residual",
    "converged",
    "step",
    "solver",
    "rank",
    "node",
    "memory",
    "buffer",
    "connection",
    "timeout",
    "retry",
    "accepted",
    "session",
    "user",
    "root",
    "service",
    "started",
    "stopped",
    "interface",
    "link",
    "queue",
    "request",
    "answer",
]
LINES_A_REQUEST = 1_000


def documents(mix: JobMix, count: int, seed: int = 1) -> Iterator[dict[str, object]]:
    """Documents as rsyslog sends them, of the last hour before `mix.now_s`."""
    chance = random.Random(seed)
    for number in range(count):
        job_id = mix.first_job_id + chance.randrange(mix.jobs)
        stamp = datetime.fromtimestamp(mix.now_s - 3_600 + 3_600 * number / count, UTC).isoformat()
        program, message, severity = _said(chance, job_id, number)
        yield {
            "@timestamp": stamp,
            "host": f"n{chance.randrange(NODES):04}",
            "program": program,
            "message": message,
            "severity": severity,
            "pid": chance.randrange(2, 100_000),
        }


def _said(chance: random.Random, job_id: int, number: int) -> tuple[str, str, int]:
    kind = number % 3
    if number % 50 == 0:
        return "slurmctld", f"error: Nodes n{chance.randrange(NODES):04} not responding", 3
    if kind == 0:
        return "slurmd", f"launch task StepId={job_id}.0 request from UID:3001 GID:3000 HOST:10.0.0.1 PORT:4711", 6
    if kind == 1:
        return f"slurm_{job_id}", " ".join(chance.choices(WORDS, k=12)) + f" {number}", 6
    return chance.choice(("sshd", "systemd", "crond", "sssd")), " ".join(chance.choices(WORDS, k=10)) + f" {number}", 6


def requests(mix: JobMix, count: int) -> list[bytes]:
    """Bodies of `POST /api/v1/logs` with `LINES_A_REQUEST` lines each."""
    encoded = [msgspec.json.encode(one) for one in documents(mix, count)]
    return [b"\n".join(encoded[begin : begin + LINES_A_REQUEST]) for begin in range(0, count, LINES_A_REQUEST)]


def kept_lines(count: int, until_ns: int, seed: int = 1) -> Iterator[Lines]:
    """Lines of one day before `until_ns` as a store is given them, by thousands: for a store of a size."""
    chance = random.Random(seed)
    step_ns = 86_400 * NS // count
    for begin in range(0, count, 1_000):
        some = []
        for number in range(begin, min(begin + 1_000, count)):
            job_id = 1_000 + chance.randrange(max(1, count // 50)) if number % 3 else None
            message = " ".join(chance.choices(WORDS, k=10)) + f" {number}"
            line = LogLine(
                id=f"{chance.getrandbits(128):032x}",  # as a followed file's: in no order
                time_ns=until_ns - 86_400 * NS + number * step_ns,
                node=f"n{chance.randrange(NODES):04}",
                message=message,
                program="app" if job_id else "sshd",
                severity=3 if number % 100 == 0 else 6,
                job_id=job_id,
            )
            some.append((line, NOBODY if job_id is None else JobOwner(f"user{job_id % 300}", "account1", "all")))
        yield some
