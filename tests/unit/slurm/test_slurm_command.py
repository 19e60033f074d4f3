"""Real subprocesses in the place of Slurm's commands: those that work, fail, hang, and leave children behind."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from slurmlens.errors import SourceError
from slurmlens.slurm.command import clean_environment, run_command
from testkit.waiting import until


def script(folder: Path, text: str) -> str:
    path = folder / "squeue"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def test_output_comes_back(tmp_path: Path) -> None:
    assert await run_command([script(tmp_path, "echo said; echo more >&2")], {}, 5) == b"said\n"


async def test_the_environment_is_clean_and_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    monkeypatch.setenv("SLURM_CONF", "/etc/one")
    said = (await run_command([script(tmp_path, "env")], clean_environment(None), 5)).decode()
    assert "SQUEUE_FORMAT" not in said
    assert "SLURM_CONF=/etc/one" in said
    assert "TZ=UTC" in said
    assert clean_environment(Path("/etc/two"))["SLURM_CONF"] == "/etc/two"


async def test_a_failure_says_what_the_command_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"status 1: .*Unable to contact slurm controller"):
        await run_command([script(tmp_path, "echo 'Unable to contact slurm controller' >&2; exit 1")], {}, 5)


async def test_a_missing_command_says_where_to_name_it() -> None:
    with pytest.raises(SourceError, match=r"/no/such/squeue cannot be started.*\[slurm\]"):
        await run_command(["/no/such/squeue"], {}, 5)


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(SourceError, match=r"did not answer within 0.5 s"):
        await run_command([script(tmp_path, f"sleep 600 & echo $! $$ > {pids}; wait")], os.environ, 0.5)
    for pid in pids.read_text().split():
        await until(lambda pid=pid: _is_dead(int(pid)), f"process {pid} ends")


async def test_a_cancelled_question_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    asking = asyncio.create_task(run_command([script(tmp_path, f"echo $$ > {pids}; exec sleep 60")], os.environ, 60))
    await until(lambda: pids.exists() and pids.read_text().strip(), "the command runs")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: _is_dead(int(pids.read_text())), "the command ends")


def _is_dead(pid: int) -> bool:
    """Also of a process that waits for its parent to reap it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"
