"""What the engine reads, when, and what it does where something cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from slurmlens.errors import ReaderError
from slurmlens.node.sampler.orders import JobOrder
from slurmlens.node.sampler.process_io import ProcessIo
from slurmlens.node.sampler.reads import Bound, Pair, Reads
from testkit.engine_bench import Bench
from testkit.manual_clock import ManualClock
from testkit.moving_tree import MovingTree, write_in_place


@pytest.mark.parametrize(("newborn", "width_s"), [(True, 2.5), (False, 10.0)])
def test_only_a_young_job_has_bins_finer_than_the_interval(bench: Bench, newborn: bool, width_s: float) -> None:
    """One that was there before the daemon is read at regular ticks alone."""
    bench.tree.start_job(7, steps=("batch",))
    bench.watch(7, "batch", newborn=newborn)
    bench.pass_time(30.0)
    profile = bench.finish(7).profile
    assert profile is not None
    assert profile.width_s == width_s


@pytest.mark.parametrize("interval_s", [1.0, 10.0])
def test_a_counter_that_is_switched_on_late_is_found_within_two_minutes_and_looked_for_once_in_one(
    tmp_path: Path, unpacked_recordings: Path, clock: ManualClock, interval_s: float
) -> None:
    bench = Bench(MovingTree("v2-22.05", tmp_path, unpacked_recordings), clock, interval_s=interval_s)
    bench.start(7, "batch")
    bench.pass_time(20.0)
    (bench.tree.job_place(7).cpu / "pids.current").write_text("5\n")
    bench.pass_time(25.0)
    assert bench.points("pids_count") == []
    bench.pass_time(80.0)
    bench.engine.close()
    assert {value for _, value in bench.points("pids_count")} == {5.0}


def test_no_rest_comes_between_a_job_and_its_steps(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are compared, so they are to be of one time."""
    seen: list[tuple[list[str], list[int]]] = []
    bind = Reads.bind

    def watched(reads: Reads, pairs: list[Pair], ends: Sequence[int] = ()) -> Bound:
        seen.append(([one.name for _, one in pairs], list(ends)))
        return bind(reads, pairs, ends)

    monkeypatch.setattr(Reads, "bind", watched)
    monkeypatch.setattr("slurmlens.node.sampler.engine.READ_IN_ONE_GO", 4)
    for job_id in range(7, 12):
        bench.start(job_id, "batch", "0", slot=None)
    bench.pass_time(10.0)
    names, ends = max(seen, key=lambda one: len(one[1]))
    assert len(names) == 15
    assert ends == [6, 12, 15]
    assert [names[end].count("/") for end in ends[:-1]] == [0, 0]


def test_a_damaged_file_costs_its_field_and_nothing_else(bench: Bench) -> None:
    bench.start(7, "batch", slot=0)
    bench.start(8, "batch", slot=1)
    name = "memory.current" if (bench.tree.job_place(7).memory / "memory.current").exists() else "memory.usage_in_bytes"
    write_in_place(bench.tree.job_place(7).memory / name, "no number\n")
    bench.tree.burn(7, "batch", 5.0)
    bench.tree.burn(8, "batch", 5.0)
    bench.pass_time(10.0)
    assert [value for _, value in bench.points("cpu_cores", 0)] == pytest.approx([0.5])
    assert [value for _, value in bench.points("cpu_cores", 1)] == pytest.approx([0.5])
    assert bench.points("memory_bytes", 1)
    assert "malformed" in bench.failures


def test_a_job_whose_folder_does_not_exist_any_more_is_measured_as_nothing(bench: Bench) -> None:
    bench.tree.start_job(7, steps=("batch",))
    job, parent = bench.tree.job_place(7), bench.tree.parent_place(7)
    bench.tree.end_job(7)
    order = JobOrder(number=7, job_id=7, slot=0, name="job_7", place=job, parent=parent, newborn=True)
    bench.engine.watch(order, bench.now())
    bench.pass_time(10.0)
    totals = bench.finish(7).totals
    assert totals.samples == 0
    assert totals.memory_peak_bytes is None


def test_descriptors_are_given_back(bench: Bench) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for job_id in range(10, 15):
        bench.start(job_id, "batch", slot=None)
        bench.pass_time(10.0)
        bench.end(job_id, "batch")
        bench.finish(job_id)
    assert bench.engine.cgroups == 0
    # The node's and, on v1, the user's own folder stay watched.
    assert descriptors() <= before + 8


def test_a_daemon_without_the_right_to_see_processes_finds_out_once(
    tmp_path: Path, unpacked_recordings: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ProcessIo] = []

    def refuse(one: ProcessIo) -> None:
        asked.append(one)
        raise ReaderError("/proc/5/io: Permission denied", errno=13)

    monkeypatch.setattr(ProcessIo, "read", refuse)
    bench = Bench(MovingTree("v1-22.05", tmp_path, unpacked_recordings), clock)
    for job_id in (7, 8, 9):
        bench.start(job_id, "batch")
    bench.pass_time(120.0)
    assert len(asked) == 1
    assert bench.failures.count("process_io_forbidden") == 1
    bench.engine.close()


def test_a_job_that_somebody_looks_at_closely_is_read_every_second_for_as_long_as_asked(bench: Bench) -> None:
    bench.start(7, "batch")
    bench.pass_time(60.0)
    before = bench.engine.totals(bench.now())[7].samples
    assert bench.engine.look_closely(7, 1.0, 30.0, bench.now())
    assert not bench.engine.look_closely(8, 1.0, 30.0, bench.now())
    bench.pass_time(30.0)
    closely = bench.engine.totals(bench.now())[7].samples
    bench.pass_time(30.0)
    after = bench.engine.totals(bench.now())[7].samples
    assert closely - before >= 30
    assert after - closely <= 4
