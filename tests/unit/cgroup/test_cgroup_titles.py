"""Only root's slurmstepd says whose step it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.cgroup.titles import StepTitle, parse_title, parse_uids, title_of_step, user_of_tasks


@pytest.mark.parametrize(
    ("cmdline", "expected"),
    [
        (b"slurmstepd: [8.0]    ", StepTitle(8, "0")),
        (b"slurmstepd: [3.batch]\0\0", StepTitle(3, "batch")),
        (b"slurmstepd: [3.0+1]", StepTitle(3, "0")),
        (b"/usr/sbin/slurmstepd\0infinity\0", None),
        (b"slurmstepd: [3.batch] /bin/evil", None),
        (b"xslurmstepd: [3.batch]", None),
        (b"slurmstepd: [99999999999.batch]", None),
        (b"", None),
    ],
)
def test_a_title_is_taken_whole_or_not_at_all(cmdline: bytes, expected: StepTitle | None) -> None:
    assert parse_title(cmdline) == expected


@given(st.binary(), st.text())
def test_nothing_breaks_the_parsers(cmdline: bytes, status: str) -> None:
    title = parse_title(cmdline)
    assert title is None or title.job_id >= 0
    assert len(parse_uids(status)) in (0, 1, 2, 3, 4)


def _process(proc: Path, pid: int, cmdline: bytes, uids: str) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "cmdline").write_bytes(cmdline)
    (proc / str(pid) / "status").write_text(f"Name:\tx\nUid:\t{uids}\nGid:\t0\t0\t0\t0\n")


@pytest.mark.parametrize("uids", ["2000\t2000\t2000\t2000", "2000\t0\t0\t0", "0\t2000\t0\t0"])
def test_a_title_of_a_user_or_a_set_uid_program_is_not_believed(tmp_path: Path, uids: str) -> None:
    _process(tmp_path / "proc", 7, b"slurmstepd: [666.batch]", uids)
    (tmp_path / "step").mkdir()
    (tmp_path / "step/cgroup.procs").write_text("7\n")
    assert title_of_step(tmp_path / "proc", [tmp_path / "step"]) is None


def test_roots_title_is_found_among_processes_that_come_and_go(tmp_path: Path) -> None:
    _process(tmp_path / "proc", 8, b"sleep\0001\0", "0\t0\t0\t0")
    _process(tmp_path / "proc", 9, b"slurmstepd: [3.batch]", "0\t0\t0\t0")
    (tmp_path / "step").mkdir()
    (tmp_path / "step/cgroup.procs").write_text("7\n8\n9\n")
    assert title_of_step(tmp_path / "proc", [tmp_path / "gone", tmp_path / "step"]) == StepTitle(3, "batch")


def test_root_is_never_told_as_the_user_of_tasks(tmp_path: Path) -> None:
    _process(tmp_path / "proc", 8, b"x", "0\t0\t0\t0")
    _process(tmp_path / "proc", 9, b"x", "2000\t0\t0\t0")
    for name, pids in (("a", "8\n"), ("b", "9\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text(pids)
    assert user_of_tasks(tmp_path / "proc", [tmp_path / "a"]) is None
    assert user_of_tasks(tmp_path / "proc", [tmp_path / "a", tmp_path / "b"]) == 2000
