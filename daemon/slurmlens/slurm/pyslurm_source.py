"""Asks the controller through pyslurm, where that is installed for the very release of Slurm that runs.

Owns the mapping of pyslurm's `to_dict()` to records (pure, tested on recordings of 25.11) and the decision to use it at
all: a pyslurm of another release does not even import. Accounting stays with the commands. Fed by the hub's poller.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from slurmlens.errors import DecodeError, SourceError
from slurmlens.slurm.hostlist import expand
from slurmlens.slurm.json_values import MIB, minutes, number, positive, table, text, words
from slurmlens.slurm.records import (
    Decoded,
    JobRecord,
    NodeRecord,
    PartitionRecord,
    Record,
    RecordSource,
)
from slurmlens.slurm.source import Scheduler
from slurmlens.slurm.states import happened_times, parse_state


async def prefer_pyslurm(commands: Scheduler) -> Scheduler:
    """A source that asks through pyslurm where it fits the running Slurm; else the one given."""
    try:
        module = importlib.import_module("pyslurm")
        major, minor = (int(part) for part in str(module.__version__).split(".")[:2])
    except Exception:  # a pyslurm of another release fails in many ways: ImportError, AttributeError, RuntimeError
        return commands
    return PyslurmSource(module, commands) if (major, minor) == await commands.release() else commands


class PyslurmSource:
    """The controller by pyslurm, accounting by the commands. pyslurm blocks, so each question has a thread."""

    def __init__(self, module: ModuleType, commands: Scheduler) -> None:
        self._module = module
        self._commands = commands

    async def release(self) -> tuple[int, int]:
        return await self._commands.release()

    async def queue(self) -> Decoded[JobRecord]:
        return await self._load("Jobs", _job)

    async def executions(self, job_ids: Iterable[int]) -> Decoded[JobRecord]:
        return await self._commands.executions(job_ids)

    async def executions_since(self, since_s: int) -> Decoded[JobRecord]:
        return await self._commands.executions_since(since_s)

    async def nodes(self) -> Decoded[NodeRecord]:
        return await self._load("Nodes", _node)

    async def partitions(self) -> Decoded[PartitionRecord]:
        return await self._load("Partitions", _partition)

    async def _load(self, kind: str, read: Callable[[Mapping[str, Any]], Record]) -> Decoded[Record]:
        collection = getattr(self._module, kind)
        try:
            items = await asyncio.to_thread(lambda: [item.to_dict() for item in collection.load().values()])
        except Exception as error:  # pyslurm's own tree of errors, and whatever C code throws
            raise SourceError(f"pyslurm.{kind}.load(): {error}") from error
        return Decoded.of(items, read)


def _job(job: Mapping[str, Any]) -> JobRecord:
    job_id = positive(job.get("id"))
    if job_id is None:
        raise DecodeError("a job without an id", reason="job-id")
    state = parse_state(text(job.get("state")) or "")
    ended = state.state.has_ended
    nodes = expand(text(job.get("allocated_nodes")))
    times = happened_times(state.state, bool(nodes), positive(job.get("start_time")), positive(job.get("end_time")))
    allocated = _amounts(job.get("allocated_tres"))
    array_job_id, het_job_id = positive(job.get("array_id")), positive(job.get("heterogeneous_id"))
    return JobRecord(
        job_id=job_id,
        source=RecordSource.QUEUE,
        state=state.state,
        state_flags=state.flags,
        cluster=text(job.get("cluster")),
        name=text(job.get("name")),
        user=text(job.get("user_name")),
        user_id=number(job.get("user_id")),
        group=text(job.get("group_name")),
        group_id=number(job.get("group_id")),
        account=text(job.get("account")),
        partition=text(job.get("partition")),
        qos=text(job.get("qos")),
        reason=None if job.get("state_reason") == "None" else text(job.get("state_reason")),
        exit_code=number(job.get("exit_code")) if ended else None,
        exit_signal=number(job.get("exit_code_signal")) if ended else None,
        derived_exit_code=number(job.get("derived_exit_code")) if ended else None,
        derived_exit_signal=number(job.get("derived_exit_code_signal")) if ended else None,
        submit_s=positive(job.get("submit_time")),
        eligible_s=positive(job.get("eligible_time")),
        expected_start_s=times.expected_start_s,
        start_s=times.start_s,
        end_s=times.end_s,
        time_limit_s=minutes(job.get("time_limit")),
        nodes=nodes,
        node_count=positive(job.get("num_nodes")),
        cpu_count=positive(job.get("cpus")),
        task_count=positive(job.get("ntasks")),
        tres=allocated,
        memory_bytes=allocated.get("mem"),
        requested_memory_bytes=_amounts(job.get("requested_tres")).get("mem"),
        restart_count=number(job.get("requeue_count")),
        array_job_id=array_job_id,
        array_task_id=number(job.get("array_task_id")) if array_job_id else None,
        array_tasks=text(job.get("array_tasks_waiting")),
        het_job_id=het_job_id,
        het_job_offset=number(job.get("heterogeneous_offset")) if het_job_id else None,
    )


def _node(node: Mapping[str, Any]) -> NodeRecord:
    name = text(node.get("name"))
    if name is None:
        raise DecodeError("a node without a name", reason="node-name")
    states = tuple(word for word in (text(node.get("state")) or "").split("+") if word)
    memory = number(node.get("real_memory"))
    return NodeRecord(
        name=name,
        address=text(node.get("address")),
        host_name=text(node.get("hostname")),
        state=states[0] if states else None,
        state_flags=states[1:],
        reason=text(node.get("reason")),
        partitions=words(node.get("partitions")),
        cpu_count=number(node.get("total_cpus")),
        memory_bytes=None if memory is None else memory * MIB,
    )


def _partition(partition: Mapping[str, Any]) -> PartitionRecord:
    name = text(partition.get("name"))
    if name is None:
        raise DecodeError("a partition without a name", reason="partition-name")
    return PartitionRecord(
        name=name,
        state=text(partition.get("state")),
        nodes=expand(text(partition.get("nodes"))),
        is_default=partition.get("is_default") is True,
        time_limit_s=minutes(partition.get("max_time")),
    )


def _amounts(value: Any) -> dict[str, int]:
    """Resources from pyslurm's object of {count} by kind; memory in bytes."""
    amounts: dict[str, int] = {}
    for kind, item in table(value).items():
        count = number(table(item).get("count"))
        if count is not None:
            amounts[kind] = count * MIB if kind == "mem" else count
    return amounts
