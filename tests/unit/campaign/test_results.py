"""What a run left is read within bounds, and what cannot be had is said with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.campaign.job_script import lay_out, render
from slurmlens.campaign.results import MOST_BYTES, CourseReader, Missing, extract, read_exit_record
from slurmlens.campaign.scheduler import accounting_line, elapsed_s, queue_line
from slurmlens.campaign.settings import Extractor, RunningFigure
from slurmlens.errors import CampaignError
from testkit.campaigns import bowl


def value(folder: Path, one: Extractor) -> float:
    return extract((one,), folder, lambda figure: 7.0)["y"]


MATCH = Extractor("y", file="out", match=r"y=(\S+)")
POINTER = Extractor("y", file="out", pointer="/a/1/b~1c")


def test_a_pattern_and_a_pointer_find_their_figure(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x=1\ny=2.5\n")
    assert value(tmp_path, MATCH) == 2.5
    (tmp_path / "out").write_text(json.dumps({"a": [0, {"b/c": 3}]}))
    assert value(tmp_path, POINTER) == 3.0
    assert value(tmp_path, Extractor("y", figure="core_seconds")) == 7.0


@pytest.mark.parametrize(
    ("content", "one", "said"),
    [
        (b"nothing", MATCH, "holds no line that matches"),
        (b"y=1\ny=2\n", MATCH, "holds 2 values"),
        (b"y=nan\n", MATCH, "y is nan"),
        (b"y=inf\n", MATCH, "y is inf"),
        (b"y=abc\n", MATCH, "'abc' is no number"),
        (b"{", POINTER, "is no JSON"),
        (b'{"a": []}', POINTER, "has nothing at"),
        (b'{"a": [0, {"b/c": null}]}', POINTER, "is no number"),
        (b'{"a": [0, {"b/c": true}]}', POINTER, "y is True"),
        (b"\xff\xfe\0", MATCH, "holds no line"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, one: Extractor, said: str) -> None:
    (tmp_path / "out").write_bytes(content)
    with pytest.raises(Missing, match=said) as missing:
        value(tmp_path, one)
    assert not missing.value.late


def test_a_file_that_is_not_there_may_come_late(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="was not written") as missing:
        value(tmp_path, MATCH)
    assert missing.value.late


def test_of_two_gigabytes_only_the_end_is_read_and_only_where_that_is_meant(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        file.truncate(2 * 1024**3)
        file.seek(0, 2)
        file.write(b"\ny=4\n")
    with pytest.raises(Missing, match=f"at most {MOST_BYTES}"):
        value(tmp_path, MATCH)
    assert value(tmp_path, Extractor("y", file="out", match=r"y=(\S+)", take_last=True)) == 4.0


@given(st.binary(max_size=200))
def test_whatever_an_exit_record_holds_it_is_read_or_left(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / "exit").write_bytes(data)
    read_exit_record(folder)


def test_a_course_is_read_as_it_grows_and_only_whole_lines(tmp_path: Path) -> None:
    reader = CourseReader(RunningFigure("course", r"(\S+)\s*$"), 1.0)
    assert reader.read(tmp_path) == []
    (tmp_path / "course").write_text("1 cd 5.0\n2 cd x\n3 cd 4.")
    assert reader.read(tmp_path) == [5.0]
    (tmp_path / "course").write_text("1 cd 5.0\n2 cd x\n3 cd 4.5\n")
    assert reader.read(tmp_path) == [5.0, 4.5]


def test_inputs_get_their_values_and_unknown_places_are_an_error() -> None:
    assert render(b"a = {{ x }}; b = {{x}}", {"x": 0.1}, "case.in") == b"a = 0.1; b = 0.1"
    with pytest.raises(CampaignError, match=r"case.in: \{\{y\}\}"):
        render(b"{{y}}", {"x": 1}, "case.in")


def test_a_value_that_looks_like_shell_is_a_value(tmp_path: Path) -> None:
    campaign = bowl(tmp_path)
    hostile = "$(touch /tmp/x); 'a' \"b\" `id`"
    batch = lay_out(campaign, tmp_path / "run", 1, 1, {"if": hostile})
    import subprocess

    (tmp_path / "run" / "script").write_text('#!/bin/sh\nprintf %s "$P_if" > seen\n')
    subprocess.run(["sh", str(batch)], check=True, env={"SLURM_JOB_ID": "7", "PATH": "/usr/bin:/bin"})
    assert (tmp_path / "run" / "seen").read_text() == hostile
    written = read_exit_record(tmp_path / "run")
    assert written is not None
    assert (written.key, written.job_id, written.code) == ("sl.bowl.1.1", 7, 0)


def test_a_script_that_asks_for_an_array_is_refused(tmp_path: Path) -> None:
    campaign = bowl(tmp_path)
    (tmp_path / "run.sh").write_text("#!/bin/sh\n#SBATCH --array=1-9\n")
    with pytest.raises(CampaignError, match="--array cannot stand"):
        lay_out(campaign, tmp_path / "run", 1, 1, {})


@given(st.text(max_size=80))
def test_whatever_squeue_and_sacct_say_it_is_read_or_left(line: str) -> None:
    queue_line(line)
    accounting_line(line)
    assert elapsed_s(line) >= 0


def test_lines_of_squeue_and_sacct() -> None:
    job = queue_line("7|RUNNING|None|2|1-00:00:05|2026-11-30T05:36:56|n[1-2]|sl.a|b.1.1")
    assert job is not None
    assert (job.job_id, job.state, job.nodes, job.elapsed_s, job.name) == (7, "RUNNING", 2, 86405.0, "sl.a|b.1.1")
    assert job.started_s == 1796017016.0
    ended = accounting_line("7|CANCELLED by 3001|2|61|2026-11-30T05:36:56|n1|0:15|sl.a.1.1")
    assert ended is not None
    assert (ended.state, ended.elapsed_s, ended.exit_code) == ("CANCELLED", 61.0, 0)
    assert queue_line("7_[1-9]|PENDING|None|1|0:00|N/A||x") is None
