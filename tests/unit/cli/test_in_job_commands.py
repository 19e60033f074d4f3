"""`progress`, `event`, `watch`: a script goes on whatever becomes of them, and a watched program runs as if alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slurmlens.cli.commands import watch
from slurmlens.cli.main import main
from slurmlens.cli.passing_through import LineSplitter

MAIN = [sys.executable, "-m", "slurmlens.cli.main"]
WATCH = [*MAIN, "watch", "--pattern", r"step (\d+) of (\d+)", "--"]


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


@pytest.mark.parametrize("arguments", [["progress", "3/8"], ["progress", "3", "loss=1e-5"], ["event", "half", "done"]])
def test_outside_a_job_a_script_goes_on(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr() == ("", "")


def test_who_wants_to_know_is_told_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["progress", "--strict", "3/8"]) == 1
    assert "not in a job of Slurm" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["x", "1/", "/2", "-1/2", "1/2/3", "nan/2"])
def test_what_is_no_progress_is_a_wrong_argument(text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["progress", "--", text])
    assert ended.value.code == 2


def run(*command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*WATCH, *command], capture_output=True, timeout=60, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_output_and_exit_status_pass_through_unchanged() -> None:
    script = "printf 'a\\0b\\r\\nstep 1 of 2\\n'; printf 'no end' >&2; exit 42"
    done = run("sh", "-c", script)
    assert (done.stdout, done.stderr, done.returncode) == (b"a\0b\r\nstep 1 of 2\n", b"no end", 42)


def test_the_order_of_both_streams_holds_where_they_are_one_file(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo out$i; echo err$i >&2; done"
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([*WATCH, "sh", "-c", script], stdout=log, stderr=log, timeout=60, check=True)
    assert (tmp_path / "log").read_text().split() == [f"{name}{i}" for i in range(1, 10) for name in ("out", "err")]


def test_a_program_that_a_signal_ends_ends_us_by_the_same() -> None:
    assert run("sh", "-c", "kill -TERM $$").returncode == -signal.SIGTERM


def test_a_signal_of_the_users_own_is_passed_on() -> None:
    command = [*WATCH, "sh", "-c", "trap 'echo got it; exit 7' USR1; echo ready; while :; do sleep 0.05; done"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.read() == b"got it\n"
        assert process.wait(60) == 7


def test_standard_input_is_the_programs() -> None:
    assert run("cat", input=b"step 1 of 3\n").stdout == b"step 1 of 3\n"


def test_what_a_program_leaves_running_keeps_nobody_waiting(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = f"(read line < {gate}; echo late) & echo early; exit 3"
    with subprocess.Popen([*WATCH, "sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.wait(60) == 3
        gate.write_text("go\n")
        assert process.stdout is not None
        assert process.stdout.read() == b"early\nlate\n"


def test_a_program_that_is_not_there_is_told_as_a_shell_does() -> None:
    done = run("no-such-program-here")
    assert (done.returncode, done.stdout) == (127, b"")
    assert b"no-such-program-here" in done.stderr


def told_by(
    pattern: str, lines: list[bytes], monkeypatch: pytest.MonkeyPatch, total: float | None = None
) -> list[object]:
    told: list[object] = []
    monkeypatch.setattr(watch, "report", lambda done, total, **values: told.append((done, total, values)))
    teller = watch.LineTeller(re.compile(pattern), total)
    for line in lines:
        teller.line(line)
    return told


def test_a_line_tells_by_its_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told_by(r"step (\d+) of (\d+)", [b"step 3 of 9", b"other"], monkeypatch) == [(3.0, 9.0, {})]
    named = r"(?P<total>\d+) iterations, now (?P<done>\d+), res (?P<residual>\S+)"
    lines = [b"100 iterations, now 7, res 1e-3", b"100 iterations, now 8, res ---"]
    assert told_by(named, lines, monkeypatch) == [(7.0, 100.0, {"residual": 1e-3}), (8.0, 100.0, {})]
    assert told_by(r"Time = (\S+)", [b"Time = 2.5", b"Time = soon"], monkeypatch, 500.0) == [(2.5, 500.0, {})]


def test_lines_are_whole_whatever_pieces_they_come_in() -> None:
    lines: list[bytes] = []
    splitter = LineSplitter(lines.append)
    for piece in (b"on", b"e\ntw", b"o\rthree\r\n", b"fo", b"ur"):
        splitter.feed(piece)
    splitter.end()
    assert lines == [b"one", b"two", b"three", b"four"]


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_a_pattern_that_says_nothing_is_a_wrong_argument(pattern: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["watch", "--pattern", pattern, "--", "true"])
    assert ended.value.code == 2
