"""The sampler on recorded trees that move: what a job used is right to the last microsecond, however it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmlens.events import FigureSource, Totals
from testkit.engine_bench import Bench
from testkit.manual_clock import ManualClock
from testkit.moving_tree import MovingTree, write_in_place

EXACT = FigureSource.PARENT_REST


def cpu_s(totals: Totals) -> float:
    assert totals.cpu_s is not None
    return totals.cpu_s.value


def test_what_a_job_used_after_its_last_sample_is_not_lost(bench: Bench) -> None:
    bench.start(7, "batch")
    bench.tree.burn(7, "batch", 0.2)
    bench.pass_time(0.3)
    bench.tree.burn(7, "batch", 0.1)
    bench.clock.advance(0.05)
    bench.end(7, "batch")
    totals = bench.finish(7).totals
    assert cpu_s(totals) == pytest.approx(0.3, abs=1e-6)
    assert totals.cpu_s is not None
    assert totals.cpu_s.source is EXACT
    assert totals.cpu_s.complete
    (step,) = totals.steps
    assert step.cpu_s is not None
    assert step.cpu_s.value == pytest.approx(0.3, abs=1e-6)


def test_a_job_that_is_gone_before_its_first_look_is_still_exact(bench: Bench) -> None:
    bench.start(7, "batch")
    bench.tree.burn(7, "batch", 0.01)
    bench.clock.advance(0.015)
    bench.end(7, "batch")
    totals = bench.finish(7).totals
    assert cpu_s(totals) == pytest.approx(0.01, abs=1e-6)


def test_a_step_that_ends_before_its_job_is_told_apart_from_the_steps_that_go_on(bench: Bench) -> None:
    bench.start(7, "batch", "0")
    bench.tree.burn(7, "0", 1.0)
    bench.tree.burn(7, "batch", 0.5)
    bench.pass_time(2.0)
    bench.tree.burn(7, "0", 0.7)
    bench.tree.burn(7, "batch", 0.1)
    bench.tree.end_step(7, "0")
    bench.engine.unwatch("job_7/0", bench.now())
    bench.pass_time(1.0)
    bench.end(7, "batch")
    steps = {step.step: step.cpu_s for step in bench.finish(7).totals.steps}
    assert steps["0"] is not None
    assert steps["batch"] is not None
    assert steps["0"].value == pytest.approx(1.7, abs=1e-6)
    assert steps["0"].source is EXACT
    assert steps["batch"].value == pytest.approx(0.6, abs=1e-6)


def test_two_jobs_of_one_user_are_told_apart(bench: Bench) -> None:
    bench.start(7, "batch", slot=0)
    bench.start(8, "batch", slot=1)
    for _ in range(5):
        bench.tree.burn(7, "batch", 1.0)
        bench.tree.burn(8, "batch", 2.0)
        bench.pass_time(10.0)
    bench.tree.burn(7, "batch", 0.25)
    bench.tree.burn(8, "batch", 0.5)
    bench.end(7, "batch")
    bench.tree.burn(8, "batch", 0.5)
    bench.end(8, "batch")
    first, second = bench.finish(7).totals, bench.finish(8).totals
    assert cpu_s(first) == pytest.approx(5.25, abs=1e-6)
    assert cpu_s(second) == pytest.approx(11.0, abs=1e-6)
    assert first.cpu_s is not None
    assert first.cpu_s.source is EXACT


def test_a_job_found_at_the_start_of_the_daemon_has_its_whole_total_and_no_invented_rate(bench: Bench) -> None:
    bench.tree.start_job(7, steps=("batch",))
    bench.tree.burn(7, "batch", 1000.0)
    bench.watch(7, "batch", newborn=False)
    bench.pass_time(10.0)
    bench.tree.burn(7, "batch", 5.0)
    bench.pass_time(10.0)
    bench.tree.burn(7, "batch", 1.0)
    bench.end(7, "batch")
    finished = bench.finish(7)
    assert cpu_s(finished.totals) == pytest.approx(1006.0, abs=1e-6)
    assert [value for _, value in bench.points("cpu_cores")] == pytest.approx([0.5, 0.1])
    assert finished.profile is not None
    assert max(point.high or 0.0 for point in finished.profile.columns["cpu_cores"]) < 10.0


def test_the_points_times_the_interval_are_the_jobs_cpu_seconds(bench: Bench) -> None:
    bench.clock.advance(3.0)
    bench.start(7, "batch")
    for _ in range(4):
        bench.tree.burn(7, "batch", 9.0)
        bench.pass_time(9.5)
    bench.tree.burn(7, "batch", 2.0)
    bench.end(7, "batch")
    finished = bench.finish(7)
    points = bench.points("cpu_cores")
    assert sum(value * 10 for _, value in points) == pytest.approx(cpu_s(finished.totals), rel=1e-5)
    assert len({time for time, _ in points}) == len(points), "two points of one time overwrite each other"
    assert all(time % 10 == 0 for time, _ in points)


def test_a_job_without_a_slot_is_in_the_sum_of_the_rest(bench: Bench) -> None:
    for job_id in (7, 8):
        bench.start(job_id, "batch", slot=None)
        bench.tree.burn(job_id, "batch", 5.0)
    bench.pass_time(10.0)
    assert [value for _, value in bench.points("cpu_cores", slot=2)] == pytest.approx([1.0])
    bench.tree.burn(7, "batch", 4.0)
    bench.end(7, "batch")
    bench.finish(7)
    bench.pass_time(10.0)
    assert [value for _, value in bench.points("cpu_cores", slot=2)] == pytest.approx([1.0, 0.4])


def test_a_job_that_is_gone_makes_one_last_point_and_is_silent_then(bench: Bench) -> None:
    bench.start(7, "batch")
    bench.tree.hold(7, "batch", 10**6)
    bench.tree.burn(7, "batch", 5.0)
    bench.pass_time(12.0)
    bench.tree.burn(7, "batch", 1.0)
    bench.end(7, "batch")
    bench.pass_time(60.0)  # its Epilog is late
    bench.finish(7)
    assert [value for _, value in bench.points("cpu_cores")] == pytest.approx([0.5, 0.1])
    assert len(bench.points("memory_bytes")) == 1


def test_the_highest_memory_is_kept_and_says_whether_the_end_was_seen(bench: Bench) -> None:
    bench.start(7, "batch")
    bench.tree.hold(7, "batch", 300 << 20)
    bench.pass_time(5.0)
    bench.tree.hold(7, "batch", 100 << 20)
    bench.pass_time(25.0)
    bench.clock.advance(1.0)
    bench.end(7, "batch")
    totals = bench.finish(7).totals
    assert totals.memory_peak_bytes is not None
    assert totals.memory_peak_bytes.value == 300 << 20
    assert totals.memory_peak_bytes.complete


def test_a_peak_whose_tail_went_unseen_is_incomplete(bench: Bench) -> None:
    bench.start(7, "batch")
    bench.tree.hold(7, "batch", 1 << 20)
    bench.pass_time(0.11)
    bench.clock.advance(0.08)
    bench.end(7)
    totals = bench.finish(7).totals
    assert totals.memory_peak_bytes is not None
    assert not totals.memory_peak_bytes.complete


def test_a_run_in_an_earlier_runs_cgroup_does_not_count_that_ones_cpu(bench: Bench) -> None:
    bench.tree.start_job(7, steps=("batch",))
    bench.tree.burn(7, "batch", 100.0)
    bench.watch(7, newborn=False, from_zero=False)
    bench.tree.burn(7, "batch", 3.0)
    bench.pass_time(10.0)
    assert cpu_s(bench.finish(7).totals) == pytest.approx(3.0)


def test_a_cgroup_made_anew_for_the_same_run_adds_up(bench: Bench) -> None:
    bench.start(7, "batch")
    bench.tree.burn(7, "batch", 2.0)
    bench.pass_time(5.0)
    bench.end(7, "batch")
    bench.start(7, "batch")
    bench.tree.burn(7, "batch", 3.0)
    bench.pass_time(5.0)
    bench.end(7, "batch")
    totals = bench.finish(7).totals
    assert cpu_s(totals) == pytest.approx(5.0, abs=1e-6)
    (step,) = totals.steps
    assert step.cpu_s is not None
    assert step.cpu_s.value == pytest.approx(5.0, abs=1e-6)


def test_a_sighting_that_never_had_a_cgroup_has_nothing_to_say(bench: Bench) -> None:
    assert bench.engine.finish(99, bench.now()) is None


def test_the_limit_and_the_slow_fields_are_known_for_short_jobs_too(bench: Bench) -> None:
    bench.start(7, "batch")
    bench.pass_time(0.2)
    bench.end(7, "batch")
    totals = bench.finish(7).totals
    assert totals.memory_limit_bytes is not None


def test_deltas_of_running_jobs_are_what_is_new(bench: Bench) -> None:
    bench.start(7, "batch")
    bench.tree.burn(7, "batch", 5.0)
    bench.pass_time(10.0)
    ((number, first),) = bench.engine.deltas(bench.engine.numbers)
    assert number == 7
    assert "cpu_cores" in first.columns
    bench.pass_time(10.0)
    ((_, second),) = bench.engine.deltas(bench.engine.numbers)
    assert second.start_ns > first.start_ns


def test_a_kill_on_v1_that_came_after_the_last_full_tick_is_in_the_jobs_total(
    tmp_path: Path, unpacked_recordings: Path, clock: ManualClock
) -> None:
    bench = Bench(MovingTree("v1-22.05", tmp_path, unpacked_recordings), clock)
    bench.start(7, "batch")
    task = bench.tree.step_place(7, "batch").memory / "task_0"
    task.mkdir()
    (task / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    bench.pass_time(75.0)
    write_in_place(task / "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    bench.pass_time(10.0)
    bench.end(7, "batch")
    assert bench.finish(7).totals.oom_kills == 1
    bench.engine.close()


def test_a_v1_job_whose_memory_folders_come_before_its_cpu_folders_is_measured_whole(
    tmp_path: Path, unpacked_recordings: Path, clock: ManualClock
) -> None:
    bench = Bench(MovingTree("v1-22.05", tmp_path, unpacked_recordings), clock)
    bench.tree.start_job(7, uid=2000, steps=("batch",))
    user = bench.tree.parent_place(7).cpu
    later = user.with_name("not-yet")
    user.rename(later)
    bench.watch(7, "batch")
    bench.clock.advance(0.01)
    later.rename(user)
    bench.pass_time(1.0)
    bench.tree.burn(7, "batch", 0.3)
    bench.end(7, "batch")
    totals = bench.finish(7).totals
    assert cpu_s(totals) == pytest.approx(0.3, abs=1e-6)
    assert totals.cpu_s is not None
    assert totals.cpu_s.source is EXACT
    bench.engine.close()


def test_an_interval_that_was_changed_at_run_time_is_that_of_later_births(bench: Bench) -> None:
    bench.start(7, "0")
    bench.engine.retime(60.0, 0.02, bench.now())
    bench.start(8, "0", slot=1)
    bench.pass_time(300.0)
    older, later = bench.finish(7).profile, bench.finish(8).profile
    assert older is not None
    assert later is not None
    assert (older.width_s, later.width_s) == (2.5, 15.0)
