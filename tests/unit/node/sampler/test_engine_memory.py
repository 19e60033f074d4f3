"""What a job is told to have had of memory is exact, or said to be unknown: kills and peaks of the last moment, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmlens.events import StepTotals, Totals
from testkit.engine_bench import Bench
from testkit.manual_clock import ManualClock
from testkit.moving_tree import MovingTree

MIB = 1 << 20


@pytest.fixture
def v2(tmp_path: Path, unpacked_recordings: Path, clock: ManualClock) -> Iterator[Bench]:
    made = Bench(MovingTree("v2-22.05", tmp_path, unpacked_recordings), clock)
    yield made
    made.engine.close()


def end_step(bench: Bench, step: str) -> None:
    bench.tree.end_step(7, step)
    bench.engine.unwatch(f"job_7/{step}", bench.now())


def steps_of(totals: Totals) -> dict[str, StepTotals]:
    return {step.step: step for step in totals.steps}


def test_a_kill_after_the_last_sample_is_on_the_record_of_the_job(v2: Bench) -> None:
    v2.start(7, "batch", "0")
    v2.pass_time(25.0)
    v2.tree.kill(7, "0")
    end_step(v2, "0")
    v2.pass_time(5.0)
    v2.end(7, "batch")
    totals = v2.finish(7).totals
    assert totals.oom_kills == 1
    assert {name: step.oom_kills for name, step in steps_of(totals).items()} == {"0": 1, "batch": 0}


def test_a_kill_in_a_job_that_went_as_a_whole_is_on_the_record_of_the_node(v2: Bench) -> None:
    v2.start(7, "batch")
    v2.start(8, "batch", slot=1)
    v2.pass_time(25.0)
    v2.tree.kill(7, "batch")
    v2.end(7)
    v2.tree.kill(8, "batch")
    v2.end(8)
    assert [v2.finish(job_id).totals.oom_kills for job_id in (7, 8)] == [1, 1]


def test_a_job_without_a_kill_is_known_to_have_had_none(v2: Bench) -> None:
    v2.start(7, "batch")
    v2.end(7, "batch")
    totals = v2.finish(7).totals
    assert totals.oom_kills == 0
    assert [step.oom_kills for step in totals.steps] == [0]


def test_whose_kill_it_was_is_not_known_where_two_steps_went_together(v2: Bench) -> None:
    v2.start(7, "batch", "0")
    v2.tree.kill(7, "0")
    v2.end(7)
    totals = v2.finish(7).totals
    assert totals.oom_kills == 1
    assert [step.oom_kills for step in totals.steps] == [None, None]


def test_an_end_that_nobody_saw_leaves_the_kills_unknown_and_never_none(bench: Bench) -> None:
    """The folder above cannot be read either (v1: it never counts its children's kills)."""
    bench.start(7, "batch")
    bench.pass_time(3.0)
    bench.tree.end_job(7)
    parent = bench.tree.place.cpu
    if bench.tree.is_v2:
        (parent / "memory.events").write_text("")
    bench.engine.unwatch("job_7", bench.now())
    totals = bench.finish(7).totals
    assert totals.oom_kills is None
    assert [step.oom_kills for step in totals.steps] == [None]


def test_what_a_step_used_at_its_very_end_is_in_the_jobs_peak(bench: Bench) -> None:
    bench.start(7, "batch", "0", "extern")
    bench.pass_time(25.0)
    bench.tree.hold(7, "0", 900 * MIB)
    end_step(bench, "0")
    end_step(bench, "batch")
    bench.end(7, "extern")
    totals = bench.finish(7).totals
    assert totals.memory_peak_bytes is not None
    assert (totals.memory_peak_bytes.value, totals.memory_peak_bytes.complete) == (900 * MIB, True)
    of_step = steps_of(totals)["0"].memory_peak_bytes
    assert of_step is not None
    assert not of_step.complete


def test_a_step_that_is_read_when_its_last_process_has_left_has_its_whole_peak(v2: Bench) -> None:
    v2.start(7, "batch")
    v2.tree.hold(7, "batch", 900 * MIB)
    v2.tree.populate(7, "batch", populated=False)
    v2.engine.look_at_end("job_7/batch", v2.now())
    v2.clock.advance(30.0)
    v2.end(7)
    totals = v2.finish(7).totals
    for peak in (totals.memory_peak_bytes, totals.steps[0].memory_peak_bytes):
        assert peak is not None
        assert (peak.value, peak.complete) == (900 * MIB, True)


def test_a_step_that_a_process_came_back_into_was_not_at_its_end(v2: Bench) -> None:
    v2.start(7, "batch")
    for populated in (False, True):
        v2.tree.populate(7, "batch", populated=populated)
        v2.engine.look_at_end("job_7/batch", v2.now())
    v2.end(7)
    totals = v2.finish(7).totals
    for peak in (totals.memory_peak_bytes, totals.steps[0].memory_peak_bytes):
        assert peak is not None
        assert not peak.complete


def test_what_an_earlier_daemon_saw_of_a_jobs_steps_is_told_with_the_rest(bench: Bench) -> None:
    bench.start(7, "batch", "0")
    bench.tree.hold(7, "0", 900 * MIB)
    bench.tree.burn(7, "0", 3.0)
    bench.pass_time(10.0)
    end_step(bench, "0")
    seen = bench.engine.totals(bench.now())[7].steps
    later = Bench(bench.tree, bench.clock)
    later.watch(7, "batch", newborn=False, earlier_steps=seen)
    bench.tree.burn(7, "batch", 2.0)
    later.pass_time(10.0)
    later.end(7, "batch")
    steps = steps_of(later.finish(7).totals)
    later.engine.close()
    assert steps.keys() == {"0", "batch"}
    assert steps["0"].cpu_s is not None
    assert steps["0"].cpu_s.value == pytest.approx(3.0)
    assert steps["batch"].cpu_s is not None
    assert steps["batch"].cpu_s.value == pytest.approx(2.0)


def test_block_io_that_was_switched_on_while_a_job_ran_is_a_lower_bound(
    tmp_path: Path, unpacked_recordings: Path, clock: ManualClock
) -> None:
    bench = Bench(MovingTree("v2-22.05-io-pids", tmp_path, unpacked_recordings), clock)
    bench.tree.start_job(7, steps=("batch",))
    counts = bench.tree.job_place(7).cpu / "io.stat"
    counted = counts.read_text()
    counts.unlink()
    bench.watch(7, "batch")
    bench.pass_time(60.0)
    counts.write_text(counted)
    bench.pass_time(120.0)
    bench.end(7, "batch")
    written = bench.finish(7).totals.io_written_bytes
    bench.engine.close()
    assert written is not None
    assert not written.complete
