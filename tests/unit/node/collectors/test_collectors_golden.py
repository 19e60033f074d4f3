"""Every figure that collectors make of three machines, against one file each; this machine's against psutil's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from slurmlens.config.collectors import CollectorsConfig
from slurmlens.node.collectors.collecting import Collecting
from slurmlens.node.collectors.files import FileSystemSpace, KeptFiles
from slurmlens.node.collectors.look import MachineLook, Sample
from slurmlens.node.collectors.rates import NodeFigure
from slurmlens.node.collectors.table import COLLECTORS
from slurmlens.node_metrics import NODE_METRICS
from testkit.machines import NAMES, unpack

NS_PER_S = 1_000_000_000
SPACE = FileSystemSpace(size_bytes=1000, available_bytes=300, used_bytes=600, files=100, files_free=25)


class MachineFiles(KeptFiles):
    """A made-up machine's local file systems all have the same space."""

    def space(self, mount_point: str) -> FileSystemSpace | None:
        return SPACE


def samples_of(root: Path, collector: str) -> Iterator[Sample]:
    """The raw samples of one collector at its first look."""
    import importlib

    look = MachineLook(MachineFiles(str(root)))
    look.remote = {"/home": SPACE, "/lustre/work": None}
    module = importlib.import_module(f"slurmlens.node.collectors.{collector}")
    yield from module.read(look)


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_of_a_machine_is_in_its_golden_file(
    name: str, tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    root = unpack(name, tmp_path)
    lines = [
        f"{row.name}.{sample.name}{{{sample.of}}} {sample.value:.15g}"
        + (f" wraps at {sample.wraps_at:.15g}" if sample.wraps_at else "")
        for row in COLLECTORS
        if any((root / path).exists() for path in row.needs)
        for sample in samples_of(root, row.name)
    ]
    golden(f"machines/{name}.txt", "\n".join(lines) + "\n")


def rounds(root: Path, *, seconds: float = 60.0) -> list[list[NodeFigure]]:
    """Two rounds over a machine that does not change."""
    collecting = Collecting(CollectorsConfig(), MachineFiles(str(root)))
    try:
        return [collecting.round(round(at_s * NS_PER_S), {}) for at_s in (1000.0, 1000.0 + seconds)]
    finally:
        collecting.close()


@pytest.mark.parametrize("name", NAMES)
def test_two_rounds_over_a_machine_name_every_figure_once(name: str, tmp_path: Path) -> None:
    first, second = rounds(unpack(name, tmp_path))
    keys = [(one.metric.full_name, one.of) for one in second]
    assert len(keys) == len(set(keys))
    assert {(one.metric.full_name, one.of) for one in first} <= set(keys)


def test_every_metric_of_the_table_is_made_by_some_machine(tmp_path: Path) -> None:
    made: set[str] = set()
    for name in NAMES:
        root = unpack(name, tmp_path / name)
        for row in COLLECTORS:
            made |= {f"{row.name}.{sample.name}" for sample in samples_of(root, row.name)}
    only_by_two_rounds = {name for name in (one.full_name for one in NODE_METRICS) if "latency" in name}
    missing = {one.full_name for one in NODE_METRICS} - made - only_by_two_rounds - {"cpu.busiest_core_ratio"}
    assert {one for one in missing if not one.startswith("gpu.")} == {
        "clock.offset_seconds",
        "clock.error_max_seconds",
        "clock.synchronised_count",
    }


def test_memory_and_processors_are_what_psutil_says() -> None:
    look = MachineLook(KeptFiles("/"))
    from slurmlens.node.collectors import cpu, disk, memory, network

    told = {sample.name: sample.value for sample in memory.read(look)}
    assert told["total_bytes"] * 1024 == psutil.virtual_memory().total
    assert told["swap_total_bytes"] * 1024 == psutil.swap_memory().total
    before = psutil.cpu_times()
    times = {sample.name: sample.value for sample in cpu.read(look)}
    after = psutil.cpu_times()
    assert before.user <= times["user_cores"] <= after.user
    assert before.idle <= times["idle_cores"] <= after.idle
    assert times["cores_count"] == psutil.cpu_count()
    names = {sample.of for sample in network.read(look)}
    assert names <= set(psutil.net_io_counters(pernic=True))
    disks = {sample.of for sample in disk.read(look)}
    assert disks <= set(psutil.disk_io_counters(perdisk=True))


def test_names_end_in_unit_or_kind_and_belong_to_a_collector() -> None:
    import re

    ending = re.compile(r"_(cores|bytes|per_second|ratio|count|seconds|watts|celsius|rpm|hertz)$")
    assert [one.full_name for one in NODE_METRICS if not ending.search(one.name)] == []
    assert {one.collector for one in NODE_METRICS} == {row.name for row in COLLECTORS} | {"gpu"}
