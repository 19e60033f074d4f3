"""Two probes of a node's noise, each on every CPU that this process may use: a fixed quantum of work, and an exchange
among all CPUs that none leaves before all have come, as an allreduce does.

Owns the processes that it forks; each is bound to one CPU. The quantum is work inside the C of the standard library
(PBKDF2), so that nothing has to be compiled on a node. A longer quantum than the others is noise: interrupts, other
programs, the daemon. Standard library only. Fed and judged by `cli.commands.noise`.
"""

from __future__ import annotations

import gc
import hashlib
import json
import mmap
import os
import time
from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

from slurmlens.errors import SlurmlensError

ITERATIONS = 100
"""Of SHA-256: some 50 µs."""
MOST_QUANTA = 2_000_000
SLOT_WORDS = 8
"""A cache line of 64 bytes for each CPU's own number."""
AHEAD = 64
STUCK_AFTER_S = 5.0
_NS = 1_000_000_000


class NoiseProbeError(SlurmlensError):
    """A probe could not be made."""


class ProbeFigure(NamedTuple):
    """The worst CPU's tail of one run, in microseconds; a parallel program waits for its slowest part."""

    p99_9_us: float
    p50_us: float
    quanta: int


def fixed_work(seconds: float) -> ProbeFigure:
    """The tail of a fixed quantum of work on every CPU at once."""
    cpus = sorted(os.sched_getaffinity(0))
    return _worst(_on_every_cpu(cpus, lambda rank: _quanta(cpus[rank], seconds)))


def exchange(seconds: float) -> ProbeFigure:
    """The tail of one round in which every CPU waits for all others; needs two."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise NoiseProbeError("an exchange needs two CPUs")
    with mmap.mmap(-1, 8 * SLOT_WORDS * (len(cpus) + 1)) as shared:
        return _worst(_on_every_cpu(cpus, lambda rank: _rounds(shared, rank, cpus, seconds)))


def _quanta(cpu: int, seconds: float) -> array[int]:
    os.sched_setaffinity(0, {cpu})
    durations, now = array("Q"), time.perf_counter_ns
    end = now() + round(seconds * _NS)
    work = hashlib.pbkdf2_hmac
    begin = now()
    while begin < end and len(durations) < MOST_QUANTA:
        work("sha256", b"quantum", b"of work", ITERATIONS)
        after = now()
        durations.append(after - begin)
        begin = now()
    return durations


def _rounds(shared: mmap.mmap, rank: int, cpus: Sequence[int], seconds: float) -> array[int]:
    """The first slot says after which round all stop; rank 0 says it in a round that nobody has left yet."""
    os.sched_setaffinity(0, {cpus[rank]})
    words = memoryview(shared).cast("Q")
    places = [SLOT_WORDS * (one + 1) for one in range(len(cpus))]
    own, durations, now = places[rank], array("Q"), time.perf_counter_ns
    end, turn = now() + round(seconds * _NS), 0
    while True:
        turn += 1
        begin = now()
        if rank == 0 and not words[0] and (begin >= end or turn >= MOST_QUANTA):
            words[0] = turn + AHEAD
        words[own] = turn
        for place in places:
            spins = 0
            while words[place] < turn:
                spins += 1
                if not spins & 0xFFFF and now() - begin > STUCK_AFTER_S * _NS:
                    raise NoiseProbeError("one CPU of the exchange is gone")
        durations.append(now() - begin)
        if words[0] and turn >= words[0]:
            return durations


def _on_every_cpu(cpus: Sequence[int], work: Callable[[int], array[int]]) -> list[ProbeFigure]:
    """Forks one process a CPU and collects what each found."""
    pipes = []
    for rank in range(len(cpus)):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            _child(write, work, rank)
        os.close(write)
        pipes.append((pid, read))
    found = []
    for pid, read in pipes:
        with os.fdopen(read, "rb") as pipe:
            text = pipe.read()
        os.waitpid(pid, 0)
        if not text:
            raise NoiseProbeError("a probe ended without a figure")
        found.append(ProbeFigure(*json.loads(text)))
    return found


def _child(write: int, work: Callable[[int], array[int]], rank: int) -> None:
    """In the new process; never returns."""
    try:
        gc.disable()
        os.write(write, json.dumps(_figure(work(rank))).encode())
    finally:
        os._exit(0)


def _figure(durations: array[int]) -> ProbeFigure:
    ordered = sorted(durations)
    if not ordered:
        raise NoiseProbeError("not one quantum was done")
    tail = ordered[min(len(ordered) - 1, int(len(ordered) * 0.999))]
    return ProbeFigure(tail / 1e3, ordered[len(ordered) // 2] / 1e3, len(ordered))


def _worst(figures: Sequence[ProbeFigure]) -> ProbeFigure:
    return max(figures, key=lambda one: one.p99_9_us)
