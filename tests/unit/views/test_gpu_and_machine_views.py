"""What pages say of a job's GPUs and of a node's machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slurmlens.config.collectors import CollectorsConfig
from slurmlens.events import CollectorTrouble, GpuHolding, GpuState, NodeReading
from slurmlens.hub.node_states.facts import JobGpu, NodeStateTold
from slurmlens.hub.views.entity.machine import build_machine
from slurmlens.hub.views.job.gpus import build_gpus
from slurmlens.node.collectors.collecting import Collecting
from slurmlens.node.collectors.files import KeptFiles
from testkit.machines import unpack

NS_PER_S = 1_000_000_000
NOW_NS = 1_795_420_800 * NS_PER_S


def job_gpu(number: int, busy_s: float, seen_s: float = 600.0, **more: object) -> JobGpu:
    holding = GpuHolding(
        uuid=f"GPU-{number}",
        sighting="s",
        job_id=7,
        by="cgroup",
        since_ns=NOW_NS - 600 * NS_PER_S,
        told_ns=NOW_NS,
        seen_s=seen_s,
        busy_s=busy_s,
        **more,
    )
    return JobGpu(node="n1", holding=holding, gpu=GpuState(uuid=f"GPU-{number}", pci=f"0000:{number:02x}:00.0"))


def test_a_gpu_that_did_nothing_is_said_first() -> None:
    view = build_gpus([job_gpu(0, 540), job_gpu(1, 480), job_gpu(2, 0), job_gpu(3, 300)], 4, is_live=False)
    assert view is not None
    assert view.sentence == "1 of 4 GPUs did nothing."
    assert [row.is_idle for row in view.rows] == [False, False, True, False]
    assert view.utilisation_ratio == pytest.approx(0.55)


def test_a_running_jobs_gpu_that_stopped_is_told_with_how_long() -> None:
    view = build_gpus([job_gpu(0, 300, idle_s=900.0)], 1, is_live=True)
    assert view is not None
    assert view.sentence == "1 of 1 GPU stopped working at least 10 min ago."
    assert view.rows[0].notes == ("has done nothing, no process on it for 15 min",)


def test_a_shared_gpu_is_nobodys_figure_and_a_short_look_calls_nothing_idle() -> None:
    view = build_gpus([job_gpu(0, 0, 30.0), job_gpu(1, 500, is_shared=True)], 2, is_live=True)
    assert view is not None
    assert (view.idle, view.utilisation_ratio) == (0, 0.0)
    assert view.rows[1].notes == ("shared with another job",)


def test_without_gpus_there_is_no_section() -> None:
    assert build_gpus([], 4, is_live=True) is None


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., NodeStateTold]:
    def make(**more: object) -> NodeStateTold:
        collecting = Collecting(
            CollectorsConfig(without=("clock", "filesystem")), KeptFiles(str(unpack("gpu-node", tmp_path)))
        )
        collecting.round(0, {})
        figures = collecting.round(60 * NS_PER_S, {})
        collecting.close()
        readings = tuple(NodeReading(one.metric.full_name, one.of, one.value) for one in figures if one.metric.in_state)
        return NodeStateTold(told_ns=NOW_NS, interval_s=60.0, readings=readings, **more)

    return make


def test_a_made_machine_says_what_is_wrong_with_it(told: Callable[..., NodeStateTold]) -> None:
    view = build_machine(told(troubles=(CollectorTrouble(collector="rapl", problem="off: cost"),)), NOW_NS)
    assert view is not None
    assert "mc1: memory errors that could not be corrected: 1" in view.odd
    assert "mlx5_1-1: 1 lanes, where another port has 4" in view.odd
    assert "collector rapl: off: cost" in view.odd
    assert any(one.startswith("mlx5_1-1: minor link errors so far") for one in view.odd)
    names = [group.name for group in view.groups]
    assert names[:3] == ["CPU", "Pressure", "Memory"]
    assert not view.is_stale


def test_a_sound_machine_is_not_called_odd() -> None:
    readings = (NodeReading("load.load_1min_count", "", 1.5), NodeReading("edac.corrected_count", "mc0", 0.0))
    view = build_machine(NodeStateTold(told_ns=NOW_NS, interval_s=60.0, readings=readings), NOW_NS + 300 * NS_PER_S)
    assert view is not None
    assert (view.odd, view.is_stale) == ((), True)
    assert [(one.label, one.text) for group in view.groups for one in group.figures] == [
        ("tasks that run or wait, mean of a minute", "1.5")
    ]


def test_figures_of_a_newer_daemon_are_passed_over() -> None:
    view = build_machine(
        NodeStateTold(told_ns=NOW_NS, interval_s=60.0, readings=(NodeReading("new.one", "", 1.0),)), NOW_NS
    )
    assert view is not None
    assert view.groups == ()


def test_no_state_is_no_machine() -> None:
    assert build_machine(None, NOW_NS) is None
