"""Real subprocesses in the place of Slurm's commands: those that work, fail, hang, and leave children behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from slurmlens.errors import DecodeError, SourceError
from slurmlens.slurm import json_records
from slurmlens.slurm.command import clean_environment, run_command
from slurmlens.slurm.pieces import Pieces
from testkit.waiting import until


def script(folder: Path, text: str) -> str:
    path = folder / "squeue"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def run(arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> bytes:
    return await run_command(arguments, environment, timeout_s, b"".join)


async def test_output_comes_back(tmp_path: Path) -> None:
    assert await run([script(tmp_path, "echo said; echo more >&2")], {}, 5) == b"said\n"


async def test_a_command_that_prints_without_end_is_ended_at_a_bound_and_named(tmp_path: Path) -> None:
    endless = script(tmp_path, f"echo $$ > {tmp_path}/pid; exec yes")
    seen = 0

    def count(pieces: Pieces) -> None:
        nonlocal seen
        for piece in pieces:
            seen += len(piece)

    with pytest.raises(SourceError, match=r"squeue printed more than 3000000 bytes and was ended"):
        await run_command([endless], os.environ, 60, count, max_bytes=3_000_000)
    assert seen <= 3_000_000
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: _is_dead(pid), f"process {pid} ends")


async def test_complaints_without_end_neither_fill_memory_nor_stop_the_answer(tmp_path: Path) -> None:
    noisy = script(tmp_path, "head -c 3000000 /dev/zero >&2; echo said")
    assert await run([noisy], os.environ, 20) == b"said\n"


async def test_an_answer_without_sense_of_a_command_that_failed_says_what_the_command_said(tmp_path: Path) -> None:
    failing = script(tmp_path, "echo 'no json'; echo 'no controller' >&2; exit 3")
    with pytest.raises(SourceError, match="status 3: no controller"):
        await run_command([failing], os.environ, 20, json_records.queue_jobs)
    with pytest.raises(DecodeError, match="no JSON"):
        await run_command([script(tmp_path, "echo 'no json'")], os.environ, 20, json_records.queue_jobs)


async def test_the_event_loop_goes_on_while_a_huge_answer_is_read(tmp_path: Path) -> None:
    """The decoder gets its pieces in a thread of its own; the loop's own turns are counted, not timed."""
    job = '{"job_id": 1, "job_state": ["RUNNING"], "name": "x"}'
    printing = f"printf '{{\"jobs\": ['; yes '{job},' | head -n 8000; printf '{job}], \"errors\": []}}'"
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    turning = asyncio.create_task(turn())
    decoded = await run_command([script(tmp_path, printing)], os.environ, 60, json_records.queue_jobs)
    turning.cancel()
    assert (len(decoded.records), decoded.refused) == (8_001, 0)
    assert turns > 100


async def test_the_environment_is_clean_and_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    monkeypatch.setenv("SLURM_CONF", "/etc/one")
    said = (await run([script(tmp_path, "env")], clean_environment(None), 5)).decode()
    assert "SQUEUE_FORMAT" not in said
    assert "SLURM_CONF=/etc/one" in said
    assert "TZ=UTC" in said
    assert "SLURM_BITSTR_LEN=0" in said
    assert clean_environment(Path("/etc/two"))["SLURM_CONF"] == "/etc/two"


async def test_a_failure_says_what_the_command_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"status 1: .*Unable to contact slurm controller"):
        await run([script(tmp_path, "echo 'Unable to contact slurm controller' >&2; exit 1")], {}, 5)


async def test_a_missing_command_says_where_to_name_it() -> None:
    with pytest.raises(SourceError, match=r"/no/such/squeue cannot be started.*\[slurm\]") as missing:
        await run(["/no/such/squeue"], {}, 5)
    assert missing.value.reason == "missing"


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(SourceError, match=r"did not answer within 0.5 s"):
        await run([script(tmp_path, f"sleep 60 & echo $! $$ > {pids}; wait")], os.environ, 0.5)
    for pid in pids.read_text().split():
        await until(lambda pid=pid: _is_dead(int(pid)), f"process {pid} ends")


async def test_a_cancelled_question_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    asking = asyncio.create_task(run([script(tmp_path, f"echo $$ > {pids}; exec sleep 60")], os.environ, 60))
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
