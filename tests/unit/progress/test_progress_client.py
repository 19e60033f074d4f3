"""The client inside jobs: one line, no dependency, and never a job's trouble."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import slurmlens.progress as client
from slurmlens import progress
from slurmlens.progress import speaking
from testkit.app_listener import Listener

ALLOWED = "import sys; before = set(sys.modules); from slurmlens import progress; print(*(set(sys.modules) - before))"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's environment, and where its socket would be."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURMLENS_SOCKET", str(tmp_path / "app.sock"))
    for name in ("SLURMLENS_OFF", "SLURMLENS_PROGRESS", "SLURM_HET_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(client, "_state", client._State())
    monkeypatch.setattr(speaking, "HALF_PATIENCE", struct.pack("ll", 20, 0))  # this machine may be busy
    return tmp_path / "app.sock"


@pytest.fixture
def listener(path: Path) -> Iterator[Listener]:
    listener = Listener(path)
    yield listener
    listener.close(path)


def test_one_line_tells_it(listener: Listener) -> None:
    assert progress(412, 1000, residual=1e-5)  # type: ignore[operator]  # the module is callable, which mypy cannot know
    assert listener.heard == ["1 job=7 rank=3 progress 412 1000 residual=1e-05"]


def test_it_speaks_once_a_second_at_most_and_says_the_last_step(listener: Listener) -> None:
    begin_s = time.monotonic()
    for _ in client.track(range(2000)):
        if listener.heard and time.monotonic() - begin_s < client.LAST_PAUSE_S * 1.5:
            time.sleep(0.0001)
    told_s = time.monotonic() - begin_s
    assert listener.heard[0].endswith("progress 0 2000")
    assert listener.heard[-1].endswith("progress 2000 2000")
    assert len(listener.heard) <= told_s / client.LEAST_PAUSE_S + 3


def test_an_event_is_one_line_of_text(listener: Listener) -> None:
    assert client.event("half\ndone   now")
    assert listener.heard == ["1 job=7 rank=3 event half done now"]


@pytest.mark.parametrize(
    ("done", "total", "values"),
    [(float("nan"), 1, {}), (1, float("inf"), {}), (1, 0, {}), ("x", 2, {}), (1, 2, {"loss": "bad"}), (None, 2, {})],
)
def test_nonsense_is_no_error(listener: Listener, done: object, total: object, values: dict[str, object]) -> None:
    assert client.report(done, total, **values) is False  # type: ignore[arg-type]
    assert listener.heard == []


def test_a_value_that_is_no_number_yet_is_left_out(listener: Listener) -> None:
    assert client.report(1, None, loss=float("nan"), rate=2.0)
    assert listener.heard == ["1 job=7 rank=3 progress 1 - rate=2"]


def test_without_a_daemon_nothing_happens_and_it_is_not_asked_again(path: Path) -> None:
    assert client.report(1, 10) is False
    listener = Listener(path)
    assert client.report(10, 10) is False
    assert client.event("x") is False
    listener.close(path)
    assert listener.heard == []


def test_a_daemon_that_hangs_costs_200_ms_and_then_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaking, "HALF_PATIENCE", struct.pack("ll", 0, 100_000))
    listener = Listener(path, answer=None)
    begin_s = time.monotonic()
    assert client.report(1, 10) is False
    assert client._state.next_s >= begin_s + client.SILENT_PAUSE_S
    assert client.report(2, 10) is False
    assert client.report(10, 10) is False
    client._state.next_s = begin_s
    assert client.report(3, 10) is False
    assert client._state.next_s >= begin_s + 2 * client.SILENT_PAUSE_S
    listener.close(path)
    assert [line.split()[4] for line in listener.heard] == ["1", "3"]


@pytest.mark.parametrize(("name", "value"), [("SLURMLENS_OFF", "1"), ("SLURMLENS_PROGRESS", "off")])
def test_who_wants_silence_has_it(listener: Listener, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert client.report(1, 10) is False
    assert listener.heard == []


def test_outside_a_job_nobody_is_asked(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID")
    assert client.report(1, 10) is False
    assert listener.heard == []


def test_a_component_of_a_heterogeneous_job_claims_no_id(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_HET_SIZE", "2")
    client.report(1, 10)
    assert listener.heard == ["1 rank=3 progress 1 10"]


def test_a_child_may_speak_while_a_thread_of_its_parent_was_speaking(listener: Listener) -> None:
    with client._state.lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if client.report(5, 10) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert listener.heard == ["1 job=7 rank=3 progress 5 10"]


def test_threads_do_not_wait_for_each_other(listener: Listener) -> None:
    with client._state.lock:
        assert client.report(5, 10) is False


def test_a_tqdm_loop_is_told_by_one_line(listener: Listener) -> None:
    tqdm = client.tqdm
    with open(os.devnull, "w") as nowhere:
        for _ in tqdm(range(3), file=nowhere, mininterval=0):
            for _ in tqdm(range(2), file=nowhere, leave=False, mininterval=0):
                pass
        time.sleep(client.LAST_PAUSE_S)
        with tqdm(total=5, file=nowhere) as bar:
            bar.update(5)
    assert listener.heard[0].endswith("progress 0 3")
    assert listener.heard[-1].endswith("progress 5 5")
    assert not any(line.endswith(" 2") for line in listener.heard)


def test_nothing_but_the_standard_library_is_imported() -> None:
    answer = subprocess.run([sys.executable, "-c", ALLOWED], capture_output=True, text=True, check=True)
    own = {"slurmlens", "slurmlens.progress", "slurmlens.progress.speaking"}
    imported = {name.partition(".")[0] for name in answer.stdout.split() if name not in own}
    assert imported <= set(sys.stdlib_module_names)


def test_an_unknown_attribute_is_told_as_of_any_module() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trakc'"):
        client.trakc  # noqa: B018
