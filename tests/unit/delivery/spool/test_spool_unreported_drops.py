"""What is dropped while the disk takes nothing is told in the end, whenever the daemon is killed; each line once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import DropKind, DropTotal, Spool, SpoolLimits
from slurmlens.delivery.spool.store import SpoolChange
from slurmlens.errors import SpoolError
from testkit.spools import KIB, SpoolSetup, settled, take_all

LIMITS = SpoolLimits(
    max_bytes=64 * KIB, max_age_s=600, memory_bytes=8 * KIB, metrics_memory_bytes=2 * KIB, logs_memory_bytes=2 * KIB
)
MADE = 20
DROPPED = MADE - 5
"""Of lines of 400 bytes, five fit into the memory for metrics."""


@pytest.fixture
def setup(tmp_path: Path) -> SpoolSetup:
    (tmp_path / "run").mkdir()
    return SpoolSetup(tmp_path / "spool", unreported=tmp_path / "run" / "untold.json")


def notice(accounts: Mapping[DropKind, DropTotal]) -> bytes:
    return json.dumps({f"{stream.value} {reason}": one.lines for (stream, reason), one in accounts.items()}).encode()


def fill(spool: Spool) -> None:
    """The disk is full from now on."""

    async def full(_: SpoolChange) -> None:
        raise SpoolError("database or disk is full", reason="full")

    spool._writer._disk.apply = full


async def drop_metrics(setup: SpoolSetup, spool: Spool) -> None:
    for number in range(MADE):
        await spool.append(setup.metrics(b"%03d" % number * 133))
        await settled(spool)


async def kill(spool: Spool) -> None:
    """It does nothing more, and nothing of its memory is written."""
    spool._writer._stop_waiting()
    await spool._writer._disk.close()
    spool._writer._disk = None


async def notices(spool: Spool, sink: str = "hub") -> list[dict[str, int]]:
    told = [json.loads(payload) for payload in await take_all(spool, sink) if payload.startswith(b"{")]
    await settled(spool)
    return told


async def test_a_notice_that_a_full_disk_did_not_take_is_stored_when_there_is_room_again(setup: SpoolSetup) -> None:
    spool = await setup.opened(limits=LIMITS, notice=notice)
    apply = spool._writer._disk.apply
    fill(spool)
    await drop_metrics(setup, spool)
    assert setup.counted("queue_dropped_lines", reason="memory_limit") == DROPPED
    spool._writer._disk.apply = apply
    await spool.retry()
    await settled(spool)
    await kill(spool)
    second_life = await setup.opened(limits=LIMITS, notice=notice)
    told = await notices(second_life) + await notices(second_life, "file") + await notices(second_life)
    assert max(one["metrics memory_limit"] for one in told) == DROPPED
    await second_life.close()


async def test_a_daemon_that_is_killed_while_its_disk_is_full_has_what_it_dropped_told_by_the_next(
    setup: SpoolSetup,
) -> None:
    spool = await setup.opened(limits=LIMITS, notice=notice)
    fill(spool)
    await drop_metrics(setup, spool)
    await kill(spool)
    second_life = await setup.opened(limits=LIMITS, notice=notice)
    await settled(second_life)
    assert await notices(second_life) == [{"metrics memory_limit": DROPPED}]
    assert not setup.unreported.exists(), "the spool's own file has it now"
    await second_life.close()
    third_life = await setup.opened(limits=LIMITS, notice=notice)
    assert third_life.state.dropped[Stream.METRICS, "memory_limit"].lines == DROPPED
    await third_life.close()


async def test_and_by_the_one_after_it_where_the_disk_is_still_full(setup: SpoolSetup) -> None:
    setup.folder.write_bytes(b"in the way")
    for life in (1, 2, 3):
        spool = await setup.opened(limits=LIMITS, notice=notice)
        await drop_metrics(setup, spool)
        assert spool.state.dropped[Stream.METRICS, "memory_limit"].lines == life * DROPPED
        await kill(spool)
    setup.folder.unlink()
    last = await setup.opened(limits=LIMITS, notice=notice)
    await settled(last)
    assert await notices(last) == [{"metrics memory_limit": 3 * DROPPED}]
    await last.close()


async def test_what_was_left_joins_the_totals_that_the_file_has_once(setup: SpoolSetup) -> None:
    spool = await setup.opened(limits=LIMITS, notice=notice)
    await spool.append(setup.batch(b"old"))
    setup.clock.advance(601)
    await spool.append(setup.batch(b"young"))
    await settled(spool)
    fill(spool)
    await drop_metrics(setup, spool)
    left = setup.unreported.read_bytes()
    await kill(spool)
    for _ in range(2):  # killed again before it could remove the file
        setup.unreported.write_bytes(left)
        life = await setup.opened(limits=LIMITS, notice=notice)
        await settled(life)
        dropped = {kind: account.lines for kind, account in life.state.dropped.items()}
        assert dropped == {(Stream.EVENTS, "age"): 1, (Stream.METRICS, "memory_limit"): DROPPED}
        await kill(life)


async def test_a_notice_that_was_delivered_from_memory_is_repeated_rather_than_forgotten(setup: SpoolSetup) -> None:
    spool = await setup.opened({"hub": Stream.EVENTS, "carbon": Stream.METRICS}, LIMITS, notice=notice)
    fill(spool)
    await drop_metrics(setup, spool)
    assert (await notices(spool))[-1] == {"metrics memory_limit": DROPPED}
    await kill(spool)
    second_life = await setup.opened({"hub": Stream.EVENTS, "carbon": Stream.METRICS}, LIMITS, notice=notice)
    assert await notices(second_life) == [{"metrics memory_limit": DROPPED}]
    await second_life.close()


async def test_metrics_that_only_memory_has_at_the_end_are_told_by_the_next_daemon(setup: SpoolSetup) -> None:
    setup.folder.write_bytes(b"in the way")
    spool = await setup.opened(notice=notice)
    await spool.append(setup.metrics(b"m"))
    await spool.close()
    setup.folder.unlink()
    second_life = await setup.opened(notice=notice)
    assert await notices(second_life) == [{"metrics stopped": 1}]
    await second_life.close()


async def test_with_a_disk_in_order_there_is_no_such_file(setup: SpoolSetup) -> None:
    spool = await setup.opened(limits=LIMITS, notice=notice)
    await spool.append(setup.batch(b"old"))
    setup.clock.advance(601)
    reading = asyncio.create_task(spool.read("hub", 1))
    await asyncio.sleep(0)
    await settled(spool)
    reading.cancel()
    assert spool.state.dropped[Stream.EVENTS, "age"].lines == 1
    assert not setup.unreported.exists()
    await spool.close()
    assert not setup.unreported.exists()


@pytest.mark.parametrize("content", [b"", b"[", b"[1]", b'[{"stream":"other"}]', b"\xff\xfe"])
async def test_a_file_that_cannot_be_read_is_told_and_stops_nothing(setup: SpoolSetup, content: bytes) -> None:
    setup.unreported.write_bytes(content)
    spool = await setup.opened(notice=notice)
    assert setup.counted("spool_totals_unreadable") == 1
    assert spool.state.dropped == {}
    await spool.append(setup.batch(b"a"))
    assert setup.safe == [b"a"]
    await spool.close()


async def test_a_file_that_cannot_be_written_is_told_and_stops_nothing(setup: SpoolSetup) -> None:
    setup.unreported.parent.rmdir()
    setup.unreported.parent.write_bytes(b"in the way")
    spool = await setup.opened(limits=LIMITS, notice=notice)
    fill(spool)
    await drop_metrics(setup, spool)
    assert setup.counted("spool_totals_unwritable") > 0
    assert spool.state.dropped[Stream.METRICS, "memory_limit"].lines == DROPPED
    await kill(spool)
