"""The spool as a queue, on a real file: what is safe when, what outlives the daemon, what gives way first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slurmlens.delivery.batches import Backlog, Stream
from slurmlens.delivery.spool import Spool, SpoolLimits
from testkit.spools import KIB, LIMITS, SpoolSetup, payloads, settled, take_all


@pytest.fixture
def setup(tmp_path: Path) -> SpoolSetup:
    return SpoolSetup(tmp_path / "spool")


@pytest.fixture
async def spool(setup: SpoolSetup) -> AsyncIterator[Spool]:
    spool = await setup.opened()
    yield spool
    await spool.close()


async def test_an_event_is_safe_once_committed_before_any_sink_has_it(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"a"))
    assert setup.safe == [b"a"]
    assert spool.backlog("hub").batches == spool.backlog("file").batches == 1


async def test_whoever_put_an_event_in_is_told_once(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"a"))
    await take_all(spool, "hub")
    await take_all(spool, "file")
    assert setup.safe == [b"a"]


async def test_each_sink_reads_from_its_own_cursor_in_the_next_life_too(setup: SpoolSetup, spool: Spool) -> None:
    for payload in (b"a", b"b"):
        await spool.append(setup.batch(payload))
    first = await spool.read("hub", 1)
    await spool.acknowledge("hub", first[0].position)
    assert (await payloads(spool, "hub"), await payloads(spool, "file")) == ([b"b"], [b"a", b"b"])
    await spool.close()
    second_life = await setup.opened()
    assert await payloads(second_life, "hub") == [b"b"]
    assert await payloads(second_life, "file") == [b"a", b"b"]
    await second_life.close()


async def test_what_every_sink_has_leaves_the_file(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"a"))
    await spool.append(setup.batch(b"b"))
    for sink in ("hub", "file"):
        await spool.acknowledge(sink, (await spool.read(sink, 1))[0].position)
    await spool.close()
    assert setup.rows(Stream.EVENTS) == [b"b"]


async def test_positions_are_never_used_twice_although_the_file_is_empty(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"a"))
    last = (await spool.read("hub", 1))[0].position
    await take_all(spool, "hub")
    await take_all(spool, "file")
    await spool.close()
    second_life = await setup.opened()
    await second_life.append(setup.batch(b"b"))
    assert (await second_life.read("hub", 1))[0].position > last
    assert await take_all(second_life, "file") == [b"b"]
    await second_life.close()


async def test_appends_that_come_while_the_disk_is_busy_share_one_commit(setup: SpoolSetup, spool: Spool) -> None:
    changes = []
    apply = spool._writer._disk.apply

    async def counting(change):
        changes.append(change)
        await apply(change)

    spool._writer._disk.apply = counting
    await asyncio.gather(*(spool.append(setup.batch(b"%d" % number)) for number in range(50)))
    assert len(setup.safe) == 50
    assert len(changes) <= 2


async def test_a_healthy_node_writes_no_metrics(setup: SpoolSetup, spool: Spool) -> None:
    asked = []
    spool._writer._disk.apply = asked.append  # would fail: it cannot be awaited
    for number in range(500):
        await spool.append(setup.metrics(b"%d\n" % number * 100))
        await take_all(spool, "carbon")
    await settled(spool)
    assert asked == []


async def test_metrics_go_to_the_disk_while_their_sink_is_behind_and_come_back_in_order(
    setup: SpoolSetup, spool: Spool
) -> None:
    made = [b"%d\n" % number * 300 for number in range(400)]
    for payload in made:
        await spool.append(setup.metrics(payload))
        await settled(spool)
    assert spool.state.stored_bytes > 0
    assert spool.state.memory_bytes <= LIMITS.spill_bytes(Stream.METRICS) + 2 * KIB
    assert await take_all(spool, "carbon") == made
    assert setup.counted("queue_dropped_lines") == 0


async def test_metrics_that_wait_at_the_end_outlive_the_daemon(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.metrics(b"m"))
    await spool.close()
    assert setup.counted("queue_dropped_lines") == 0
    second_life = await setup.opened()
    assert await take_all(second_life, "carbon") == [b"m"]
    await second_life.close()


async def test_events_are_read_back_from_the_disk_when_memory_is_short(setup: SpoolSetup) -> None:
    limits = SpoolLimits(
        max_bytes=1024 * KIB,
        max_age_s=600,
        memory_bytes=8 * KIB,
        metrics_memory_bytes=4 * KIB,
        logs_memory_bytes=4 * KIB,
    )
    spool = await setup.opened(limits=limits)
    made = [b"%d\n" % number * 200 for number in range(200)]
    for payload in made:
        await spool.append(setup.batch(payload))
        assert spool.state.memory_bytes <= 8 * KIB
    assert await take_all(spool, "hub") == await take_all(spool, "file") == made
    await spool.close()


async def test_metrics_give_way_to_events_oldest_first_and_each_is_counted(setup: SpoolSetup) -> None:
    limits = SpoolLimits(
        max_bytes=4 * KIB, max_age_s=600, memory_bytes=64 * KIB, metrics_memory_bytes=2 * KIB, logs_memory_bytes=2 * KIB
    )
    spool = await setup.opened(limits=limits)
    for number in range(3):
        await spool.append(setup.metrics(b"m%d" % number * 350))
        await settled(spool)
    for number in range(3):
        await spool.append(setup.batch(b"e%d" % number * 350))
    assert spool.backlog("carbon").batches == 1
    await spool.append(setup.batch(b"e3" * 350))
    await spool.append(setup.batch(b"e4" * 350))
    await spool.append(setup.batch(b"e5" * 350))
    assert spool.backlog("carbon").batches == 0
    assert await take_all(spool, "hub") == [b"e%d" % number * 350 for number in (1, 2, 3, 4, 5)][-4:]
    assert setup.counted("queue_dropped_lines", stream="metrics", reason="spool_limit") == 3
    assert setup.counted("queue_dropped_lines", stream="events", reason="spool_limit") == 2
    await spool.close()


async def test_what_grew_too_old_is_dropped_and_the_next_life_remembers_its_age(
    setup: SpoolSetup, spool: Spool
) -> None:
    await spool.append(setup.batch(b"old"))
    setup.clock.advance(400)
    await spool.append(setup.batch(b"young"))
    await spool.close()
    second_life = await setup.opened()
    assert second_life.backlog("hub").oldest_age_s == 400
    setup.clock.advance(201)
    assert await payloads(second_life, "hub") == [b"young"]
    await settled(second_life)
    assert setup.counted("queue_dropped_lines", reason="age") == 1
    await second_life.close()


async def test_what_gives_way_at_the_very_end_is_not_found_and_counted_again(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"old"))
    setup.clock.advance(601)
    await spool.close()
    assert setup.rows(Stream.EVENTS) == []
    second_life = await setup.opened()
    assert setup.counted("queue_dropped_lines", reason="age") == 1
    await second_life.close()


async def test_a_wall_clock_that_is_wrong_after_a_reboot_makes_nothing_too_old(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"a"))
    await spool.close()
    setup.boot_id = "boot-2"
    setup.clock.jump_wall(20 * 365 * 86_400)
    second_life = await setup.opened()
    assert await payloads(second_life, "hub") == [b"a"]
    assert second_life.backlog("hub").oldest_age_s == LIMITS.max_age_s / 2
    await second_life.close()
    setup.boot_id = "boot-3"
    setup.clock.jump_wall(-40 * 365 * 86_400)
    third_life = await setup.opened()
    assert third_life.backlog("hub").oldest_age_s == 0
    await third_life.close()


async def test_setting_the_wall_clock_makes_nothing_old(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"a"))
    setup.clock.jump_wall(10**9)
    assert await payloads(spool, "hub") == [b"a"]


async def test_a_batch_too_large_for_memory_is_dropped_alone(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"keep"))
    await spool.append(setup.batch(b"x" * LIMITS.memory_bytes))
    assert await payloads(spool, "hub") == [b"keep"]
    assert setup.counted("queue_dropped_lines", reason="too_large") == 1
    assert setup.safe == [b"keep"]


async def test_a_sink_cannot_acknowledge_what_it_was_not_given(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"a"))
    await spool.append(setup.batch(b"b"))
    await spool.read("hub", 1)
    await spool.acknowledge("hub", 99)
    assert await payloads(spool, "hub") == [b"b"]
    await spool.acknowledge("hub", 0)
    assert await payloads(spool, "hub") == [b"b"]


async def test_a_sink_that_left_and_came_back_misses_nothing(setup: SpoolSetup, spool: Spool) -> None:
    for number in range(3):
        await spool.append(setup.batch(b"%d" % number))
    await take_all(spool, "hub")
    await spool.close()
    without_hub = await setup.opened({"file": Stream.EVENTS})
    await without_hub.append(setup.batch(b"3"))
    await without_hub.close()
    again = await setup.opened()
    assert await take_all(again, "hub") == await take_all(again, "file") == [b"0", b"1", b"2", b"3"]
    await again.close()


async def test_a_stream_that_nobody_reads_holds_nothing(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"kept by an earlier life"))
    await spool.close()
    second_life = await setup.opened({"carbon": Stream.METRICS})
    await second_life.append(setup.batch(b"e"))
    assert setup.safe[-1] == b"e"
    assert second_life.state.size_bytes == 0
    await second_life.close()


async def test_reading_waits_until_something_comes(setup: SpoolSetup, spool: Spool) -> None:
    readers = [asyncio.create_task(payloads(spool, sink)) for sink in ("hub", "file")]
    await asyncio.sleep(0)
    assert not any(reader.done() for reader in readers)
    await spool.append(setup.batch(b"a"))
    assert await asyncio.gather(*readers) == [[b"a"], [b"a"]]


async def test_whoever_ends_the_program_can_wait_until_nothing_is_left(setup: SpoolSetup, spool: Spool) -> None:
    await spool.drained()
    await spool.append(setup.batch(b"a"))
    waiting = asyncio.create_task(spool.drained())
    await take_all(spool, "hub")
    await asyncio.sleep(0)
    assert not waiting.done()
    await take_all(spool, "file")
    await waiting


async def test_the_backlog_of_a_sink_is_told(setup: SpoolSetup, spool: Spool) -> None:
    assert spool.backlog("hub") == Backlog(0, 0, 0, None)
    await spool.append(setup.batch(b"aa", count=2))
    setup.clock.advance(2)
    await spool.append(setup.batch(b"b"))
    assert spool.backlog("hub") == Backlog(2, 3, 3, 2.0)


async def test_without_a_disk_it_is_the_queue_in_memory(setup: SpoolSetup) -> None:
    spool = setup.spool()
    spool._writer._disk = None
    await spool.open()
    await spool.append(setup.batch(b"a"))
    assert setup.safe == []
    await take_all(spool, "hub")
    await take_all(spool, "file")
    assert setup.safe == [b"a"]
    assert spool.state.mode == "memory"
    await spool.close()


@pytest.mark.thorough
async def test_the_file_stays_near_its_bound_and_is_given_back_afterwards(setup: SpoolSetup) -> None:
    limits = SpoolLimits(
        max_bytes=8192 * KIB,
        max_age_s=600,
        memory_bytes=1024 * KIB,
        metrics_memory_bytes=64 * KIB,
        logs_memory_bytes=64 * KIB,
    )
    spool = await setup.opened({"hub": Stream.EVENTS}, limits)
    payload = b"x" * 500
    for _ in range(40):
        await asyncio.gather(*(spool.append(setup.batch(payload)) for _ in range(400)))
    database = setup.folder / "spool.sqlite"
    full_bytes = database.stat().st_size
    assert limits.max_bytes * 0.7 < full_bytes < limits.max_bytes * 1.2
    assert setup.counted("queue_dropped_lines", reason="spool_limit") > 0
    await take_all(spool, "hub")
    for _ in range(4):
        await spool.append(setup.batch(payload))
        await take_all(spool, "hub")
        await settled(spool)
    await spool.close()
    assert database.stat().st_size < full_bytes / 1.5


async def test_others_cannot_read_the_file(setup: SpoolSetup, spool: Spool) -> None:
    await spool.append(setup.batch(b"alice's job"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in setup.folder.iterdir()}
    assert set(modes) == {"spool.sqlite", "spool.sqlite-wal", "lock"}
    assert not any(mode & 0o077 for mode in modes.values())
