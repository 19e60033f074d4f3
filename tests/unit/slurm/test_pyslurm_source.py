"""pyslurm's dictionaries, recorded on 25.11, to records; and when pyslurm is used at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.config.hub import SlurmConfig
from slurmlens.errors import SourceError
from slurmlens.slurm import pyslurm_source
from slurmlens.slurm.pyslurm_source import PyslurmSource, prefer_pyslurm
from slurmlens.slurm.records import Decoded, JobState
from slurmlens.slurm.source import CommandSource
from testkit.checkout import ROOT

FIXTURES = ROOT / "tests" / "fixtures/slurm/pyslurm-25.11"


class Item:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def to_dict(self) -> Mapping[str, Any]:
        return self._values


def recorded(name: str) -> type:
    """A class like `pyslurm.Jobs` whose `load` gives the recording."""

    class Collection:
        @staticmethod
        def load() -> dict[str, Item]:
            return {key: Item(values) for key, values in json.loads((FIXTURES / name).read_text()).items()}

    return Collection


def module(version: str = "25.11.2") -> ModuleType:
    made = ModuleType("pyslurm")
    made.__dict__.update(
        __version__=version,
        Jobs=recorded("jobs.json"),
        Nodes=recorded("nodes.json"),
        Partitions=recorded("partitions.json"),
    )
    return made


async def _says_25_11(*_: object) -> bytes:
    return b"slurm 25.11.7\n"


def commands() -> CommandSource:
    return CommandSource(SlurmConfig(), _says_25_11)


async def test_jobs_are_the_same_records_as_from_json() -> None:
    jobs = {job.job_id: job for job in (await PyslurmSource(module(), commands()).queue()).records}
    assert (jobs[8].state, jobs[8].exit_code) == (JobState.FAILED, 42)
    assert (jobs[9].state, jobs[9].end_s, jobs[9].exit_code) == (JobState.RUNNING, None, None)
    assert (jobs[4].array_job_id, jobs[4].array_task_id) == (4, 3)
    assert (jobs[1].nodes, jobs[1].memory_bytes) == (("n0", "n1"), 8000 * 1024**2)


async def test_nodes_and_partitions_are_mapped() -> None:
    source = PyslurmSource(module(), commands())
    assert [(node.name, node.address) for node in (await source.nodes()).records] == [
        ("n0", "127.0.0.1"),
        ("n1", "127.0.0.1"),
    ]
    (partition,) = (await source.partitions()).records
    assert (partition.name, partition.nodes, partition.time_limit_s) == ("all", ("n0", "n1"), None)


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
    broken.__dict__["Jobs"] = None
    with pytest.raises(SourceError, match=r"pyslurm\.Jobs"):
        await PyslurmSource(broken, commands()).queue()


@given(st.dictionaries(st.sampled_from(["id", "state", "allocated_nodes", "start_time", "allocated_tres"]), st.text()))
def test_no_dictionary_does_more_than_be_refused(values: dict[str, Any]) -> None:
    decoded = Decoded.of([values], pyslurm_source._job)
    assert len(decoded.records) + decoded.refused == 1
