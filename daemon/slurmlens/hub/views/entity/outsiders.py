"""Who uses a node, or its GPUs, without having been given them, in words for operators. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from slurmlens.events import Outsider
from slurmlens.hub.node_states.facts import GpuUsedOutside, OutsidersTold
from slurmlens.hub.views.entity.view import OutsiderLine
from slurmlens.shown import format as fmt

LEAST_CORES = 0.05
LEAST_BYTES = 256 * 2**20
"""A shell that waits is not worth a line."""


def build_outsiders(told: Iterable[OutsidersTold], *, names_node: bool = True) -> tuple[OutsiderLine, ...]:
    """A line for each; with the node before it where several nodes are meant."""
    return tuple(line for one in told for line in _lines(one, f"{one.node}: " if names_node else ""))


def _lines(told: OutsidersTold, before: str) -> Iterator[OutsiderLine]:
    for gpu in told.gpus:
        yield from _of_gpu(gpu, before)
    for one in told.users:
        if (one.cpu_cores or 0.0) >= LEAST_CORES or (one.memory_bytes or 0) >= LEAST_BYTES:
            yield OutsiderLine(text=f"{before}user {one.uid} without a job: {_takes(one)}", user=str(one.uid))


def _of_gpu(gpu: GpuUsedOutside, before: str) -> Iterator[OutsiderLine]:
    name = gpu.pci or gpu.uuid
    for job in gpu.jobs:
        yield OutsiderLine(text=f"{before}GPU {name} is used by job {job}, which was given others", job_id=job)
    for uid in gpu.users:
        yield OutsiderLine(text=f"{before}GPU {name} is used by user {uid}, who has no job there", user=str(uid))


def _takes(one: Outsider) -> str:
    parts = [] if one.cpu_cores is None else [f"{fmt.cores(one.cpu_cores)} busy"]
    parts += [] if one.memory_bytes is None else [fmt.memory(one.memory_bytes)]
    parts += [] if one.processes is None else [fmt.count(one.processes, "process", "processes")]
    return ", ".join(parts)
