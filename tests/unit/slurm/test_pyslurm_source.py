"""pyslurm's dictionaries, recorded on 25.11, to records; and when pyslurm is used at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.config.hub import SlurmConfig
from slurmlens.errors import SourceError
from slurmlens.slurm.command import Answer
from slurmlens.slurm.job_fields import UNTOLD_BY_PYSLURM
from slurmlens.slurm.pieces import Pieces
from slurmlens.slurm.pyslurm_source import PyslurmSource, prefer_pyslurm, read_pyslurm_job
from slurmlens.slurm.records import Decoded
from slurmlens.slurm.source import CommandSource
from testkit.checkout import ROOT

FIXTURES = ROOT / "tests" / "fixtures/slurm/pyslurm-25.11"


class Item:
    """An object of pyslurm's: `to_dict()` leaves what it holds as objects, unless it is told to go on."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def to_dict(self, recursive: bool = False) -> Mapping[str, Any]:
        if recursive:
            return self._values
        return {key: Item(value) if isinstance(value, dict) else value for key, value in self._values.items()}


class ItemOfOld:
    """The same of a pyslurm that does not know `recursive`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def to_dict(self) -> Mapping[str, Any]:
        return Item(self._values).to_dict()


def recorded(name: str, item: type = Item) -> type:
    """A class like `pyslurm.Jobs` whose `load` gives the recording."""

    class Collection:
        @staticmethod
        def load() -> dict[str, Any]:
            return {key: item(values) for key, values in json.loads((FIXTURES / name).read_text()).items()}

    return Collection


def module(version: str = "25.11.2", item: type = Item) -> ModuleType:
    made = ModuleType("pyslurm")
    made.__dict__.update(
        __version__=version,
        Jobs=recorded("jobs.json", item),
        Nodes=recorded("nodes.json"),
        Partitions=recorded("partitions.json"),
    )
    return made


class Commands:
    """Slurm's commands of 25.11, or none."""

    def __init__(self, queue: bytes | None = None, *, missing: bool = False) -> None:
        self._queue = queue
        self._missing = missing

    async def __call__(
        self, arguments: Sequence[str], environment: object, timeout_s: float, read: Callable[[Pieces], Answer]
    ) -> Answer:
        if self._missing:
            raise SourceError("squeue cannot be started", reason="missing")
        if arguments[1] == "--version":
            return read([b"slurm 25.11.7\n"])
        assert self._queue is not None
        return read([self._queue])


def commands(queue: bytes | None = None, *, missing: bool = False) -> CommandSource:
    return CommandSource(SlurmConfig(), Commands(queue, missing=missing))


def source(made: ModuleType, behind: CommandSource) -> PyslurmSource:
    return PyslurmSource(made, behind, (25, 11))


def as_squeue_writes(job: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded job of pyslurm's in the words of `squeue --json` of the same release."""

    def wrapped(value: Any) -> dict[str, Any]:
        return {"set": value is not None, "infinite": False, "number": value or 0}

    def amounts(members: Mapping[str, Any] | None) -> str:
        kinds = ("cpu", "mem", "node", "billing")
        told = [(kind, (members or {}).get(kind)) for kind in kinds]
        return ",".join(f"{kind}={one['count']}{'M' if kind == 'mem' else ''}" for kind, one in told if one)

    def exit_of(code: int | None, signal: int | None) -> dict[str, Any]:
        return {
            "status": ["ERROR" if code else "SUCCESS"],
            "return_code": wrapped(code),
            "signal": {"id": wrapped(None)},
        }

    times = ("submit_time", "eligible_time", "start_time", "end_time")
    same = ("cluster", "name", "user_name", "user_id", "group_name", "group_id", "account", "partition", "qos")
    return (
        {name: job[name] for name in same}
        | {name: wrapped(job[name]) for name in times}
        | {
            "job_id": job["id"],
            "job_state": [job["state"]],
            "state_reason": job["state_reason"],
            "state_description": "only squeue says this",
            "flags": ["ONLY_SQUEUE_SAYS_THIS"],
            "step_id": {"sluid": f"s{job['id']}"},
            "exit_code": exit_of(job["exit_code"], job["exit_code_signal"]),
            "derived_exit_code": exit_of(job["derived_exit_code"], job["derived_exit_code_signal"]),
            "time_limit": wrapped(job["time_limit"]),
            "nodes": job["allocated_nodes"] or "",
            "node_count": wrapped(job["num_nodes"]),
            "cpus": wrapped(job["cpus"]),
            "tasks": wrapped(job["ntasks"]),
            "tres_alloc_str": amounts(job["allocated_tres"]),
            "tres_req_str": amounts(job["requested_tres"]),
            "restart_cnt": job["requeue_count"],
            "array_job_id": wrapped(job["array_id"]),
            "array_task_id": wrapped(job["array_task_id"]),
            "array_task_string": job["array_tasks_waiting"] or "",
            "het_job_id": wrapped(job["heterogeneous_id"]),
            "het_job_offset": wrapped(job["heterogeneous_offset"]),
        }
    )


SQUEUE = json.dumps(
    {"jobs": [as_squeue_writes(job) for job in json.loads((FIXTURES / "jobs.json").read_text()).values()], "errors": []}
).encode()


@pytest.mark.parametrize("item", [Item, ItemOfOld])
async def test_pyslurm_tells_the_records_that_squeue_tells_but_for_what_it_has_not(item: type) -> None:
    from_squeue = (await commands(SQUEUE).queue()).records
    answer = await source(module(item=item), commands(missing=True)).queue()
    assert (answer.refused, dict(answer.unknown)) == (0, {})
    assert {"flags", "sluid", "reason_text"} == UNTOLD_BY_PYSLURM
    for known, told in zip(from_squeue, answer.records, strict=True):
        untold = {name: getattr(told, name) for name in UNTOLD_BY_PYSLURM}
        assert msgspec.structs.replace(known, **untold) == told
    jobs = {job.job_id: job for job in answer.records}
    assert (jobs[1].memory_bytes, jobs[1].tres["cpu"], jobs[8].exit_code) == (8000 * 1024**2, 2, 42)


async def test_the_queue_is_asked_of_squeue_which_knows_more() -> None:
    jobs = (await source(module(), commands(SQUEUE)).queue()).records
    assert all(job.sluid and job.flags and job.memory_bytes for job in jobs if job.nodes)


async def test_on_a_machine_without_commands_pyslurm_is_asked_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyslurm", module("25.11.2"))
    found = await prefer_pyslurm(commands(missing=True))
    assert isinstance(found, PyslurmSource)
    assert await found.release() == (25, 11)
    assert (await found.queue()).records


async def test_nodes_and_partitions_are_mapped() -> None:
    asked = source(module(), commands())
    assert [(node.name, node.address) for node in (await asked.nodes()).records] == [
        ("n0", "127.0.0.1"),
        ("n1", "127.0.0.1"),
    ]
    (partition,) = (await asked.partitions()).records
    assert (partition.name, partition.nodes, partition.time_limit_s) == ("all", ("n0", "n1"), None)
    assert partition.is_default


async def test_pyslurm_is_used_where_it_fits_the_running_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyslurm", module("25.11.2"))
    assert isinstance(await prefer_pyslurm(commands()), PyslurmSource)
    monkeypatch.setitem(sys.modules, "pyslurm", module("24.11.0"))
    assert isinstance(await prefer_pyslurm(commands()), CommandSource)


async def test_a_pyslurm_that_cannot_be_imported_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pyslurm.py").write_text("raise RuntimeError('built for another Slurm')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyslurm", raising=False)
    assert isinstance(await prefer_pyslurm(commands()), CommandSource)


async def test_an_error_of_pyslurm_is_a_source_error() -> None:
    broken = module()
    broken.__dict__["Nodes"] = None
    with pytest.raises(SourceError, match=r"pyslurm\.Nodes"):
        await source(broken, commands()).nodes()


@given(st.dictionaries(st.sampled_from(["id", "state", "allocated_nodes", "start_time", "allocated_tres"]), st.text()))
def test_no_dictionary_does_more_than_be_refused(values: dict[str, Any]) -> None:
    decoded = Decoded.of([values], read_pyslurm_job)
    assert len(decoded.records) + decoded.refused == 1
