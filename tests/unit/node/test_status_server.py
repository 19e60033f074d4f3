"""The status socket: who asks gets an answer, whatever they send, and one that cannot be made costs nothing else."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from slurmlens.delivery.status_socket import LookClosely, StatusServer
from slurmlens.node.status import NodeStatus
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock
from testkit.node_states import IDLE


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: a socket's path has at most 108 bytes."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


class Site:
    def __init__(self, path: Path, clock: ManualClock) -> None:
        self.path = path
        self.orders: list[LookClosely] = []
        self.counters = Counters()
        self.server = StatusServer(path, self.snapshot, self.look_closely, Reporter(self.counters, clock))

    async def snapshot(self) -> NodeStatus:
        return IDLE

    async def look_closely(self, order: LookClosely) -> bool:
        self.orders.append(order)
        return order.job_id == 7

    async def ask(self, sent: bytes, *, end: bool = True) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(sent)
        if end:
            writer.write_eof()
        said = await reader.read()
        writer.close()
        return said


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[None]:
    task = asyncio.create_task(site.server.run())
    while not site.path.exists() and not task.done():
        await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_who_says_nothing_gets_the_status(folder: Path, clock: ManualClock) -> None:
    site = Site(folder / "s", clock)
    async with serving(site):
        assert b'"node":"n0"' in await site.ask(b"")
        assert b'"node":"n0"' in await site.ask(b"", end=False)
    assert not site.path.exists()


async def test_an_order_is_carried_out_and_answered_with_the_status(folder: Path, clock: ManualClock) -> None:
    site = Site(folder / "s", clock)
    async with serving(site):
        assert b'"node":"n0"' in await site.ask(b'{"job_id":7,"seconds":60}\n', end=False)
        assert b"job 8 is not sampled" in await site.ask(b'{"job_id":8,"seconds":60}\n')
    assert site.orders == [LookClosely(7, 60.0), LookClosely(8, 60.0)]


NO_ORDERS = (
    b"status\n",
    b"{}\n",
    b'{"job_id":7,"seconds":-1}\n',
    b'{"job_id":7,"seconds":1e9}\n',
    b"\xff\xfe\n",
    b"[" * 60_000 + b"\n",
)


@pytest.mark.parametrize("line", NO_ORDERS)
async def test_what_is_no_order_is_refused_and_changes_nothing(folder: Path, clock: ManualClock, line: bytes) -> None:
    site = Site(folder / "s", clock)
    async with serving(site):
        assert b"no order" in await site.ask(line)
    assert site.orders == []


async def test_a_line_without_end_is_not_waited_for(folder: Path, clock: ManualClock) -> None:
    site = Site(folder / "s", clock)
    async with serving(site):
        assert b'"node":"n0"' in await site.ask(b"x" * 100_000, end=False)


async def test_a_socket_left_by_a_dead_daemon_is_taken_over(folder: Path, clock: ManualClock) -> None:
    site = Site(folder / "s", clock)
    site.path.write_text("left over")
    task = asyncio.create_task(site.server.run())
    while not site.path.is_socket():
        await asyncio.sleep(0)
    assert b'"node":"n0"' in await site.ask(b"")
    assert site.path.stat().st_mode & 0o777 == 0o660
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_socket_that_cannot_be_made_is_told_and_nothing_else_ends(folder: Path, clock: ManualClock) -> None:
    (folder / "file").write_text("no folder")
    site = Site(folder / "file" / "s", clock)
    await site.server.run()
    assert site.counters.snapshot()["status_socket_unavailable_total"] == 1
