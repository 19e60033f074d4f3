"""`slurmlens noise` measures on this very machine, stops no daemon for good, and tells nothing within the scatter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmlens.cli.main import main
from slurmlens.cli.noise.judging import judged, kept_runs
from slurmlens.cli.noise.pausing import family, paused
from slurmlens.cli.noise.probes import NoiseProbeError, exchange, fixed_work
from testkit.waiting import until_blocking


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 600 & wait"], start_new_session=True) as process:
        try:
            until_blocking(lambda: len(family(process.pid)) == 2, "the shell's child")
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_both_probes_give_a_tail_that_is_no_less_than_the_middle() -> None:
    for probe in (fixed_work, *([exchange] if len(os.sched_getaffinity(0)) > 1 else [])):
        figure = probe(0.1)
        assert figure.quanta > 1
        assert figure.p99_9_us >= figure.p50_us > 0


def test_the_daemon_and_its_helpers_stand_still_inside_and_go_on_afterwards(sleeper: subprocess.Popen[bytes]) -> None:
    pids = family(sleeper.pid)
    with paused(sleeper.pid):
        until_blocking(lambda: [state_of(pid) for pid in pids] == ["T", "T"], "both stand still")
    until_blocking(lambda: "T" not in [state_of(pid) for pid in pids], "both go on")


def test_a_daemon_goes_on_though_the_command_is_killed_in_the_middle(sleeper: subprocess.Popen[bytes]) -> None:
    code = (
        "import sys, time\nfrom slurmlens.cli.noise.pausing import paused\n"
        "with paused(int(sys.argv[1])):\n    print('stopped', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(sleeper.pid)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"stopped\n"
        until_blocking(lambda: state_of(sleeper.pid) == "T", "it stands still")
        process.kill()
    until_blocking(lambda: state_of(sleeper.pid) != "T", "it goes on")


def test_a_process_that_is_not_there_is_said_so() -> None:
    with pytest.raises(NoiseProbeError, match="not there"), paused(2**22 - 3):
        pass


@pytest.mark.parametrize(
    ("with_us", "without_us", "ratio"),
    [
        ([102.0, 102.1], [100.0, 100.1], 1.01999),
        ([100.0, 100.2], [100.0, 100.3], None),
        ([150.0, 151.0], [100.0, 130.0], None),
    ],
    ids=["apart", "within the scatter", "the machine is too noisy"],
)
def test_a_ratio_is_told_only_where_it_exceeds_the_scatter(
    with_us: list[float], without_us: list[float], ratio: float | None
) -> None:
    row = judged("fixed work", with_us, without_us)
    assert row.ratio == (None if ratio is None else pytest.approx(ratio, abs=1e-4))
    assert ("no difference" in row.words) is (ratio is None)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="an exchange needs two CPUs")
def test_runs_are_kept_by_release_and_shown_beside_the_next(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "noise.jsonl"
    options = ["noise", "--pid", str(sleeper.pid), "--seconds", "0.05", "--rounds", "2", "--keep", str(kept)]
    assert main(options) == 0
    old = kept.read_text()
    version = json.loads(old)["version"]
    kept.write_text("not JSON\n" + old.replace(f'"version":"{version}"', '"version":"0.0.1"'))
    capsys.readouterr()
    assert main(options) == 0
    shown = capsys.readouterr().out
    assert "fixed work: " in shown
    assert "exchange of all CPUs: " in shown
    assert "0.0.1 (" in shown
    assert [one.version for one in kept_runs(kept)] == ["0.0.1", version]


@pytest.mark.parametrize("options", [["--seconds", "0"], ["--seconds", "99"], ["--rounds", "1"]])
def test_what_cannot_be_measured_is_refused(options: list[str]) -> None:
    assert main(["noise", "--pid", "1", *options]) == 2
