"""Asks the controller through pyslurm, where that is installed for the very release of Slurm that runs.

Owns which question goes where: each to the source that knows more. Nodes and partitions go to pyslurm, which tells
which partition is the default in every release and needs no process. The queue goes to `squeue --json`, which knows the
fields that pyslurm has not (`job_fields.UNTOLD_BY_PYSLURM`, SLUID among them, by which cgroups are told); on a machine
without Slurm's commands pyslurm answers that as well. Accounting stays with the commands. A pyslurm of another release
does not even import. Fed by the hub's poller.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from slurmlens.errors import DecodeError, SourceError
from slurmlens.slurm.amounts import MIB
from slurmlens.slurm.job_fields import RecordTeller, node_names, read_job, take
from slurmlens.slurm.json_values import minutes, number, table, text, time_s, words
from slurmlens.slurm.records import (
    Decoded,
    JobRecord,
    JobState,
    NodeRecord,
    PartitionRecord,
    Record,
    RecordSource,
    SwitchRecord,
)
from slurmlens.slurm.source import Scheduler


async def prefer_pyslurm(commands: Scheduler) -> Scheduler:
    """A source that asks through pyslurm where it fits the running Slurm; else the one given."""
    try:
        module = importlib.import_module("pyslurm")
        major, minor = (int(part) for part in str(module.__version__).split(".")[:2])
    except Exception:  # a pyslurm of another release fails in many ways: ImportError, AttributeError, RuntimeError
        return commands
    try:
        release = await commands.release()
    except SourceError as error:
        if error.reason != "missing":
            raise
        return PyslurmSource(module, commands, (major, minor))  # it was built against the libslurm that it has loaded
    return PyslurmSource(module, commands, release) if (major, minor) == release else commands


class PyslurmSource:
    """The controller by pyslurm, what pyslurm lacks by the commands. pyslurm blocks, so each question has a thread."""

    def __init__(self, module: ModuleType, commands: Scheduler, release: tuple[int, int]) -> None:
        self._module = module
        self._commands = commands
        self._release = release

    async def release(self) -> tuple[int, int]:
        return self._release

    async def cluster_name(self) -> str | None:
        try:
            return await asyncio.to_thread(lambda: _word(self._module.slurmctld.Config.load().cluster))
        except Exception:  # as in `_load`; an older pyslurm has no such attribute
            return await self._commands.cluster_name()

    async def queue(self) -> Decoded[JobRecord]:
        try:
            return await self._commands.queue()
        except SourceError as error:
            if error.reason != "missing":
                raise
        return await self._load("Jobs", read_pyslurm_job)

    async def executions(self, job_ids: Iterable[int]) -> Decoded[JobRecord]:
        return await self._commands.executions(job_ids)

    async def executions_since(self, since_s: int) -> Decoded[JobRecord]:
        return await self._commands.executions_since(since_s)

    async def nodes(self) -> Decoded[NodeRecord]:
        return await self._load("Nodes", _node)

    async def partitions(self) -> Decoded[PartitionRecord]:
        return await self._load("Partitions", _partition)

    async def topology(self) -> Decoded[SwitchRecord]:
        return await self._commands.topology()

    async def _load(self, kind: str, read: Callable[[Mapping[str, Any], Counter[str]], Record]) -> Decoded[Record]:
        def load() -> Decoded[Record]:
            return Decoded.of(map(_as_dict, getattr(self._module, kind).load().values()), read)

        try:
            return await asyncio.to_thread(load)
        except Exception as error:  # pyslurm's own tree of errors, and whatever C code throws
            raise SourceError(f"pyslurm.{kind}.load(): {error}") from error


def _as_dict(item: Any) -> Mapping[str, Any]:
    """An object of pyslurm's with all that it holds: without `recursive` it leaves resources as objects."""
    try:
        members: Mapping[str, Any] = item.to_dict(recursive=True)
    except TypeError:  # before 23.x there was no such argument
        members = item.to_dict()
    return members


def _word(value: Any) -> str | None:
    found = text(value)
    return found if isinstance(found, str) else None


def read_pyslurm_job(job: Mapping[str, Any], unknown: Counter[str]) -> JobRecord:
    """One job of `pyslurm.Jobs`, as the record that squeue's JSON gives, but for `UNTOLD_BY_PYSLURM`."""

    def outcome(state: JobState) -> Mapping[str, Any]:
        if not state.has_ended:
            return {}
        return {
            f"{prefix}{name}": take(unknown, f"{prefix}{name}", number(job.get(f"{prefix}{member}")))
            for prefix in ("", "derived_")
            for name, member in (("exit_code", "exit_code"), ("exit_signal", "exit_code_signal"))
        }

    return read_job(job, RecordTeller.PYSLURM, RecordSource.QUEUE, unknown, outcome)


def _named(entry: Mapping[str, Any], what: str) -> str:
    name = _word(entry.get("name"))
    if name is None:
        raise DecodeError(f"a {what} without a name", reason=f"{what}-name")
    return name


def _node(node: Mapping[str, Any], unknown: Counter[str]) -> NodeRecord:
    states = tuple(word for word in (_word(node.get("state")) or "").split("+") if word)
    memory = take(unknown, "node.real_memory", number(node.get("real_memory")))
    return NodeRecord(
        name=_named(node, "node"),
        address=take(unknown, "node.address", text(node.get("address"))),
        host_name=take(unknown, "node.hostname", text(node.get("hostname"))),
        state=states[0] if states else None,
        state_flags=states[1:],
        reason=take(unknown, "node.reason", text(node.get("reason"))),
        partitions=take(unknown, "node.partitions", words(node.get("partitions")), ()),
        reason_by=take(unknown, "node.reason_user", text(node.get("reason_user"))),
        reason_since_s=take(unknown, "node.reason_time", time_s(node.get("reason_time"))),
        cpu_count=take(unknown, "node.cpus", number(node.get("total_cpus"))),
        memory_bytes=None if memory is None else memory * MIB,
        features=take(unknown, "node.active_features", words(node.get("active_features")), ()),
        gres=",".join(f"{name}:{count}" for name, count in table(node.get("configured_gres")).items()) or None,
        architecture=take(unknown, "node.architecture", text(node.get("architecture"))),
        operating_system=take(unknown, "node.operating_system", text(node.get("operating_system"))),
        slurm_version=take(unknown, "node.version", text(node.get("slurm_version"))),
        boot_s=take(unknown, "node.boot_time", time_s(node.get("boot_time"))),
    )


def _partition(partition: Mapping[str, Any], unknown: Counter[str]) -> PartitionRecord:
    return PartitionRecord(
        name=_named(partition, "partition"),
        state=take(unknown, "partition.state", text(partition.get("state"))),
        nodes=take(unknown, "partition.nodes", node_names(partition.get("nodes")), ()),
        is_default=partition.get("is_default") is True,
        time_limit_s=take(unknown, "partition.time", minutes(partition.get("max_time"))),
    )
