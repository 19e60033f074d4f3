"""A daemon's life: it works until it is asked to stop, in order or in a hurry, and says so where it ends by itself."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from slurmlens.runtime.sd_notify import Notifier
from slurmlens.runtime.service import EndedByItself, live
from slurmlens.runtime.signals import StopRequest

SILENT = Notifier({})


async def _endless(begun: asyncio.Event, on_end: list[str], *, slow_end: bool = False) -> None:
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        on_end.append("asked")
        if slow_end:
            await asyncio.Event().wait()
        on_end.append("over")


async def test_who_is_asked_to_stop_ends_the_work_first() -> None:
    stop, begun, on_end = StopRequest(), asyncio.Event(), []
    living = asyncio.create_task(live(_endless(begun, on_end), stop, SILENT, "up"))
    await begun.wait()
    stop.ask()
    await living
    assert on_end == ["asked", "over"]


async def test_who_is_asked_twice_waits_for_nothing() -> None:
    stop, begun, on_end = StopRequest(), asyncio.Event(), []
    living = asyncio.create_task(live(_endless(begun, on_end, slow_end=True), stop, SILENT, "up"))
    await begun.wait()
    stop.ask()
    while not on_end:
        await asyncio.sleep(0)
    assert not living.done()
    stop.ask()
    await living
    assert on_end == ["asked"]


@pytest.mark.parametrize("cause", [None, OSError("no more disk")])
async def test_work_that_ends_by_itself_is_told_with_its_cause(cause: OSError | None) -> None:
    async def short() -> None:
        if cause is not None:
            raise cause

    with pytest.raises(EndedByItself) as told:
        await live(short(), StopRequest(), SILENT, "up")
    assert told.value.cause is cause


async def test_systemd_hears_of_the_begin_the_life_and_the_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.setblocking(False)
        environment = {
            "NOTIFY_SOCKET": str(tmp_path / "n"),
            "WATCHDOG_USEC": "60000000",
            "WATCHDOG_PID": str(os.getpid()),
        }
        stop, begun = StopRequest(), asyncio.Event()
        living = asyncio.create_task(live(_endless(begun, []), stop, Notifier(environment), "working"))
        told = [await asyncio.get_running_loop().sock_recv(manager, 200) for _ in range(2)]
        stop.ask()
        await living
        told.append(await asyncio.get_running_loop().sock_recv(manager, 200))
    assert told == [b"READY=1\nSTATUS=working", b"WATCHDOG=1", b"STOPPING=1"]
