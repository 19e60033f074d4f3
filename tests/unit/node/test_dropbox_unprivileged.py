"""The whole way with the users of a real node: root's hook writes, a daemon without privilege reads and removes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from slurmlens.clock import SystemClock
from slurmlens.dropbox import Dropbox
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit import hook_program
from testkit.hook_program import HookProgram, sample

DAEMON_ID = 64_123
"""Number of a user and a group that nobody has."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


@pytest.fixture
def hook() -> Iterator[HookProgram]:
    with tempfile.TemporaryDirectory(prefix="slu-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        program = hook_program.build(folder / "build", folder / "run")
        program.prepare()
        os.chown(program.events, 0, DAEMON_ID)
        program.events.chmod(0o2770)
        yield program


def _read(program: HookProgram, count: int) -> list[str]:
    """What a daemon of that user tells of `count` events; a fork, so that it needs to reach no file of the checkout."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_be_the_daemon, args=(program.events, count, sender))
    child.start()
    sender.close()
    try:
        told: list[str] = receiver.recv()
    finally:
        child.join()
    return told


def _be_the_daemon(folder: Path, count: int, sender: Connection) -> None:
    os.setgroups([])
    os.setgid(DAEMON_ID)
    os.setuid(DAEMON_ID)
    sender.send(asyncio.run(_take(folder, count)))


async def _take(folder: Path, count: int) -> list[str]:
    counters = Counters()
    dropbox = Dropbox(folder, Reporter(counters, SystemClock()), SystemClock())
    told = []
    for _ in range(count):
        event, token = await anext(dropbox)
        told.append(f"{event.role.value} {event.job.job_id}")
        dropbox.release(token)
    dropbox.close()
    refused = {name: value for name, value in counters.snapshot().items() if "refused" in name and value}
    return [*told, str(refused)]


def test_the_daemon_reads_and_removes_what_roots_hook_wrote(hook: HookProgram) -> None:
    hook.run(sample("26.05/prolog"))
    hook.run(sample("26.05/epilog"))
    assert _read(hook, 2) == ["prolog 1", "epilog 1", "{}"]
    assert hook.written() == []


def test_what_the_daemons_own_user_puts_there_is_refused(hook: HookProgram) -> None:
    """Who breaks into the daemon still cannot speak for root's hooks."""
    hook.run(sample("26.05/prolog"))
    (genuine,) = hook.written()
    forged = hook.events / f"{0:020}-1-prolog.json"
    forged.write_bytes(genuine.read_bytes())
    os.chown(forged, DAEMON_ID, DAEMON_ID)
    assert _read(hook, 1) == ["prolog 1", "{'dropbox_refused_total{reason=\"owner\"}': 1}"]


def test_a_file_that_the_daemon_may_not_read_is_put_aside(hook: HookProgram) -> None:
    hook.run(sample("26.05/prolog"))
    hook.written()[0].chmod(0o600)
    hook.run(sample("26.05/epilog"))
    assert _read(hook, 1) == ["epilog 1", "{'dropbox_refused_total{reason=\"permission\"}': 1}"]
    assert len(list((hook.events / ".refused").iterdir())) == 1
