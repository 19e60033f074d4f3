"""Real signals to the own process, and what systemd is told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from slurmlens.runtime.sd_notify import Notifier
from slurmlens.runtime.signals import handling


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_asks_to_stop_and_the_second_to_hurry(number: signal.Signals) -> None:
    with handling() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        await stop.wait()
        assert not stop.hurried.is_set()
        os.kill(os.getpid(), number)
        await stop.hurried.wait()


async def test_sighup_asks_for_the_settings_and_ends_nothing() -> None:
    asked = asyncio.Event()
    with handling(lambda _: asked.set()) as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        await asked.wait()
        assert not stop.asked


async def test_afterwards_the_handlers_are_gone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with handling():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_in_single_datagrams(tmp_path: Path, abstract: bool) -> None:
    name = f"slurmlens-test-{os.getpid()}" if abstract else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}" if abstract else name)
        notifier = Notifier({"NOTIFY_SOCKET": f"@{name}" if abstract else name})
        notifier.ready("3 jobs\nwatched")
        notifier.alive()
        notifier.status("4 jobs")
        notifier.stopping()
        told = [manager.recv(200) for _ in range(4)]
    assert told == [b"READY=1\nSTATUS=3 jobs watched", b"WATCHDOG=1", b"STATUS=4 jobs", b"STOPPING=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-listens-here"])
def test_without_systemd_nothing_happens(address: str) -> None:
    Notifier({"NOTIFY_SOCKET": address}).ready("up")


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "garbage"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(environment: dict[str, str], interval_s: float | None) -> None:
    assert Notifier(environment, process_id=42).watchdog_interval_s == interval_s
