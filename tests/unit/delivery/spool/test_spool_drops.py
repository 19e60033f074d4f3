"""What gave way is known: counted once, kept across lives, told in the stream of events, and no loop comes of that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import DropKind, DropTotal, SpoolLimits
from testkit.spools import KIB, SpoolSetup, payloads, settled, take_all

LIMITS = SpoolLimits(
    max_bytes=4 * KIB, max_age_s=600, memory_bytes=64 * KIB, metrics_memory_bytes=2 * KIB, logs_memory_bytes=2 * KIB
)


@pytest.fixture
def setup(tmp_path: Path) -> SpoolSetup:
    return SpoolSetup(tmp_path / "spool")


def notice(accounts: Mapping[DropKind, DropTotal]) -> bytes:
    told = {f"{stream.value} {reason}": account.lines for (stream, reason), account in accounts.items()}
    return json.dumps(told).encode()


def read_notices(given: list[bytes]) -> list[dict[str, int]]:
    return [json.loads(payload) for payload in given if payload.startswith(b"{")]


async def test_a_drop_is_told_once_by_a_notice_among_the_events(setup: SpoolSetup) -> None:
    spool = await setup.opened(notice=notice)
    await spool.append(setup.batch(b"old", count=3))
    setup.clock.advance(601)
    await spool.append(setup.batch(b"young"))
    await settled(spool)
    assert await take_all(spool, "hub") == await take_all(spool, "file") == [b"young", b'{"events age": 3}']
    await settled(spool)
    assert spool.backlog("hub").batches == 0
    await spool.close()
    second_life = await setup.opened(notice=notice)
    assert second_life.backlog("hub").batches == 0
    assert second_life.state.dropped[Stream.EVENTS, "age"].lines == 3
    await second_life.close()


async def test_a_drop_is_not_told_before_its_deletion_is_committed(setup: SpoolSetup) -> None:
    spool = await setup.opened(notice=notice)
    await spool.append(setup.batch(b"old"))
    apply, goes_on = spool._writer._disk.apply, asyncio.Event()

    async def hanging(change):
        await goes_on.wait()
        await apply(change)

    spool._writer._disk.apply = hanging
    setup.clock.advance(601)
    reading = asyncio.create_task(spool.read("hub", 1000))
    await asyncio.sleep(0)
    assert setup.counted("queue_dropped_lines") == spool.backlog("hub").batches == 0
    goes_on.set()
    assert [entry.batch.payload for entry in await reading] == [b'{"events age": 1}']
    assert setup.counted("queue_dropped_lines", reason="age") == 1
    await spool.close()


async def test_a_drop_that_no_notice_told_is_told_by_the_next_life(setup: SpoolSetup) -> None:
    without_notices = await setup.opened()
    await without_notices.append(setup.batch(b"old"))
    setup.clock.advance(601)
    await without_notices.close()
    spool = await setup.opened(notice=notice)
    assert await take_all(spool, "hub") == [b'{"events age": 1}']
    await spool.close()


async def test_while_a_notice_waits_there_is_no_second_and_the_next_says_all(setup: SpoolSetup) -> None:
    spool = await setup.opened(limits=LIMITS, notice=notice)
    most_waiting = 0
    for number in range(100):
        await spool.append(setup.metrics(b"m%d" % number * 400))
        await settled(spool)
        most_waiting = max(most_waiting, spool.backlog("hub").batches)
    assert most_waiting == 1
    dropped = sum(account.lines for account in spool.state.dropped.values())
    assert dropped == 100 - spool.backlog("carbon").batches
    told = read_notices(await take_all(spool, "hub"))
    await take_all(spool, "file")
    await settled(spool)
    told += read_notices(await take_all(spool, "hub"))
    assert len(told) == 2
    assert sum(told[-1].values()) == dropped
    await spool.close()


async def test_a_notice_that_gives_way_itself_is_not_a_drop_and_is_followed_by_another(setup: SpoolSetup) -> None:
    spool = await setup.opened(limits=LIMITS, notice=notice)
    made = [b"e%03d" % number * 100 for number in range(60)]
    for payload in made:
        await spool.append(setup.batch(payload))
        await settled(spool)
        assert spool.state.size_bytes <= LIMITS.max_bytes
    given = await take_all(spool, "hub")
    await take_all(spool, "file")
    kept = [payload for payload in given if payload in made]
    assert len(read_notices(given)) == 1
    await settled(spool)
    (last,) = read_notices(await take_all(spool, "hub")) or read_notices(given)
    assert last == {"events spool_limit": 60 - len(kept)}
    await spool.close()


async def test_with_nobody_there_for_ever_a_notice_makes_no_drops_of_its_own(setup: SpoolSetup) -> None:
    spool = await setup.opened(notice=notice)
    await spool.append(setup.batch(b"old"))
    for _ in range(20):
        setup.clock.advance(601)
        reading = asyncio.create_task(payloads(spool, "hub"))
        await asyncio.sleep(0)
        reading.cancel()
        await settled(spool)
    assert spool.backlog("hub").batches == 1
    assert await take_all(spool, "hub") == [b'{"events age": 1}']
    await spool.close()


async def test_without_a_disk_a_drop_is_told_at_once(setup: SpoolSetup) -> None:
    spool = setup.spool(limits=LIMITS, notice=notice)
    spool._writer._disk = None
    await spool.open()
    for number in range(4):
        await spool.append(setup.metrics(b"m%d" % number * 400))
    assert await take_all(spool, "hub") == [b'{"metrics memory_limit": 1}']
    await spool.close()


async def test_the_totals_of_a_disk_that_is_lost_go_on_in_the_new_file(setup: SpoolSetup) -> None:
    spool = await setup.opened(notice=notice)
    await spool.append(setup.batch(b"old"))
    setup.clock.advance(601)
    await spool.append(setup.batch(b"kept"))
    await settled(spool)
    for path in setup.folder.iterdir():
        path.unlink()
    await spool.append(setup.batch(b"more"))
    await settled(spool)
    await spool.close()
    second_life = await setup.opened(notice=notice)
    assert second_life.state.dropped[Stream.EVENTS, "age"].lines == 1
    assert await take_all(second_life, "hub") == [b"kept", b'{"events age": 1}', b"more"]
    await second_life.close()


async def test_what_a_daemon_dropped_while_its_disk_was_away_joins_the_totals_of_the_file(setup: SpoolSetup) -> None:
    spool = await setup.opened()
    await spool.append(setup.batch(b"old"))
    setup.clock.advance(601)
    await spool.close()
    away = setup.folder.rename(setup.folder.with_name("away"))
    setup.folder.write_bytes(b"in the way")
    spool = await setup.opened()
    await spool.append(setup.batch(b"never committed"))
    setup.clock.advance(601)
    await spool.append(setup.batch(b"young"))
    setup.folder.unlink()
    away.rename(setup.folder)
    await spool.retry()
    await settled(spool)
    assert spool.state.dropped[Stream.EVENTS, "age"].lines == 2
    await spool.close()


async def test_what_stops_with_its_file_still_in_the_dropbox_is_not_lost(setup: SpoolSetup) -> None:
    setup.folder.write_bytes(b"in the way")
    spool = await setup.opened()
    await spool.append(setup.batch(b"from a hook"))
    await spool.append(setup.metrics(b"m"))
    await spool.close()
    assert setup.counted("queue_dropped_lines", stream="events") == 0
    assert setup.counted("queue_dropped_lines", stream="metrics", reason="stopped") == 1
