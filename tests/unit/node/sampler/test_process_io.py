"""Block I/O by processes: never falling, never a part for the whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from slurmlens.errors import ReaderError
from slurmlens.node.sampler.process_io import Bytes, ProcessIo, parse_io

IO = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: {read}\nwrite_bytes: {written}\ncancelled_write_bytes: 0\n"


class Machine:
    """A job's folder with tasks, and a procfs."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.job = folder / "proc", folder / "job_7"
        self.task = self.job / "step_0/task_0"
        self.task.mkdir(parents=True)
        self.io = ProcessIo(self.proc, self.job)

    def runs(self, **processes: tuple[int, int]) -> None:
        """Exactly these processes are in the task, with what they read and wrote."""
        for name, (read, written) in processes.items():
            folder = self.proc / name[1:]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "io").write_text(IO.format(read=read, written=written))
        (self.task / "cgroup.procs").write_text("".join(f"{name[1:]}\n" for name in processes))

    def moved(self) -> tuple[int | None, int | None]:
        reading = self.io.read()
        assert reading is not None
        return reading.get("io_read_bytes"), reading.get("io_written_bytes")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_processes_of_all_steps_and_tasks_are_summed(machine: Machine) -> None:
    (machine.job / "cgroup.procs").write_text("9\n")
    machine.runs(p10=(100, 5), p11=(20, 7))
    (machine.proc / "9").mkdir()
    (machine.proc / "9/io").write_text(IO.format(read=1, written=1))
    assert machine.moved() == (121, 13)


def test_what_a_process_moved_stays_when_it_is_gone(machine: Machine) -> None:
    machine.runs(p10=(100, 5), p11=(20, 7))
    machine.moved()
    machine.runs(p11=(20, 7))
    assert machine.moved() == (120, 12)
    machine.runs()
    assert machine.moved() == (120, 12)


def test_what_a_parent_waited_for_is_in_its_own_counters_and_counts_once(machine: Machine) -> None:
    machine.runs(p10=(1, 0), p11=(0, 80_000), p12=(0, 3_000))
    assert machine.moved() == (1, 83_000)
    machine.runs(p10=(1, 80_000), p12=(0, 3_500))
    assert machine.moved() == (1, 83_500)
    machine.runs(p10=(1, 83_900))
    assert machine.moved() == (1, 83_900)


def test_a_growth_that_may_be_the_dead_childs_is_not_counted_twice(machine: Machine) -> None:
    """Which of the two it was cannot be known: the figure is a lower bound."""
    machine.runs(p10=(100, 5), p11=(20, 7))
    machine.moved()
    machine.runs(p11=(30, 7))
    assert machine.moved() == (120, 12)


def test_a_zombie_counts_for_itself_until_its_parent_waits_for_it(machine: Machine) -> None:
    machine.runs(p10=(5, 0), p11=(100, 0))
    machine.moved()
    machine.runs(p10=(5, 0))
    (machine.proc / "11/stat").write_text("11 (a) b) Z 10 11\n")
    assert machine.moved() == (105, 0)
    (machine.proc / "11/stat").unlink()
    (machine.proc / "11/io").unlink()
    machine.runs(p10=(105, 0))
    assert machine.moved() == (105, 0)


class Family:
    """Processes as the kernel keeps them: true bytes, and what each one's counter says."""

    def __init__(self) -> None:
        self.counters = {1: 0}
        self.parent = {1: 0}
        self.done = 0


@given(
    st.lists(st.tuples(st.sampled_from(["fork", "write", "exit", "orphan", "look"]), st.integers(0, 40)), max_size=60)
)
def test_the_figure_is_never_more_than_was_done_and_never_falls(acts: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine, family, before = Machine(Path(folder)), Family(), 0
        for act, number in [*acts, ("look", 0)]:
            pids = sorted(family.counters)
            pid = pids[number % len(pids)]
            if act == "fork":
                child = max(family.parent) + 1
                family.counters[child], family.parent[child] = 0, pid
            elif act == "write":
                family.counters[pid] += 1 + number
                family.done += 1 + number
            elif act in ("exit", "orphan") and pid != 1:
                moved = family.counters.pop(pid)
                for child, parent in family.parent.items():
                    if parent == pid:
                        family.parent[child] = 1
                if act == "exit":  # else somebody outside of the job waits for it
                    family.counters[family.parent[pid]] += moved
            elif act == "look":
                machine.runs(**{f"p{one}": (moved, 0) for one, moved in family.counters.items()})
                read, _ = machine.moved()
                assert read is not None
                assert before <= read <= family.done
                before = read


def test_a_pid_that_is_used_again_is_another_process(machine: Machine) -> None:
    machine.runs(p10=(100, 50))
    machine.moved()
    machine.runs(p10=(3, 4))
    assert machine.moved() == (103, 54)


def test_before_any_process_was_seen_there_is_no_figure(machine: Machine) -> None:
    assert machine.io.read() is None


def test_a_process_that_vanishes_between_two_reads_is_passed_over(machine: Machine) -> None:
    machine.runs(p10=(100, 5))
    (machine.task / "cgroup.procs").write_text("10\n12345\n")
    assert machine.moved() == (100, 5)


@contextmanager
def as_another_user() -> Iterator[None]:
    """Without root's right to read everything; whoever is not root stays who they are."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_process_that_may_not_be_looked_at_leaves_no_honest_sum() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        machine = Machine(Path(folder))
        machine.runs(p10=(100, 5), p11=(20, 7))
        (machine.proc / "10/io").chmod(0)
        with as_another_user(), pytest.raises(ReaderError):
            machine.io.read()


def test_a_folder_in_the_place_of_a_file_is_no_process(machine: Machine) -> None:
    machine.runs(p10=(100, 5))
    (machine.proc / "10/io").unlink()
    (machine.proc / "10/io").mkdir()
    assert machine.io.read() is None


@pytest.mark.parametrize(
    "text", ["", "read_bytes: 1\n", "read_bytes: x\nwrite_bytes: 1\n", "read_bytes: -1\nwrite_bytes: 1"]
)
def test_half_a_text_is_no_figure(text: str) -> None:
    assert parse_io(text) is None


@given(st.text())
def test_any_text_is_parsed_or_passed_over(text: str) -> None:
    found = parse_io(text)
    assert found is None or isinstance(found, Bytes)
