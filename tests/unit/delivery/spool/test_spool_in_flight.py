"""What a sink has in its hands: delivered or told as dropped, never both."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import Spool, SpoolLimits
from slurmlens.delivery.spool.index import BatchHeader, Index
from slurmlens.delivery.spool.place import DATABASE
from testkit.spools import KIB, SpoolSetup, payloads, settled, take_all

SMALL = SpoolLimits(
    max_bytes=4 * KIB, max_age_s=600, memory_bytes=64 * KIB, metrics_memory_bytes=2 * KIB, logs_memory_bytes=2 * KIB
)
LINE = 400


@pytest.fixture
def setup(tmp_path: Path) -> SpoolSetup:
    return SpoolSetup(tmp_path / "spool")


def line(number: int) -> bytes:
    return (b"%d:" % number).ljust(LINE, b".")


def dropped(spool: Spool) -> int:
    return sum(account.lines for account in spool.state.dropped.values())


async def test_what_grows_too_old_in_a_sinks_hands_is_delivered_and_what_is_behind_it_dropped(
    setup: SpoolSetup,
) -> None:
    spool = await setup.opened()
    for number in range(3):
        await spool.append(setup.batch(line(number)))
    (in_flight,) = await spool.read("hub", 1)
    setup.clock.advance(601)
    await spool.append(setup.batch(line(3)))
    await settled(spool)
    assert dropped(spool) == 2
    assert setup.counted("queue_dropped_lines", reason="age") == 2
    await spool.acknowledge("hub", in_flight.position)
    await settled(spool)
    assert dropped(spool) == 3, "the other sink never had it, and it is too old now"
    assert await take_all(spool, "hub") == await take_all(spool, "file") == [line(3)]
    await spool.close()
    assert setup.rows(Stream.EVENTS) == []


async def test_what_is_dropped_from_behind_is_gone_from_the_disk_too(setup: SpoolSetup) -> None:
    spool = await setup.opened({"hub": Stream.EVENTS})
    for number in range(3):
        await spool.append(setup.batch(line(number)))
    await spool.read("hub", 1)
    setup.clock.advance(601)
    await spool.append(setup.batch(line(3)))
    await settled(spool)
    await spool._writer._disk.close()
    assert setup.rows(Stream.EVENTS) == [line(0), line(3)]


async def test_a_spool_that_is_full_drops_what_nobody_has_in_his_hands(setup: SpoolSetup) -> None:
    spool = await setup.opened(limits=SMALL)
    for number in range(4):
        await spool.append(setup.metrics(line(number)))
        await settled(spool)
    in_flight = await spool.read("carbon", 2 * LINE)
    for number in range(4, 30):
        await spool.append(setup.metrics(line(number)))
        await settled(spool)
    assert spool.state.size_bytes <= SMALL.max_bytes
    await spool.acknowledge("carbon", in_flight[-1].position)
    delivered = [entry.batch.payload for entry in in_flight] + await take_all(spool, "carbon")
    assert delivered[:2] == [line(0), line(1)]
    assert len(delivered) + dropped(spool) == 30
    await spool.close()


async def test_with_a_disk_that_takes_nothing_the_same_holds_for_the_memory(setup: SpoolSetup) -> None:
    setup.folder.write_bytes(b"in the way")
    spool = await setup.opened(limits=SMALL)
    await spool.append(setup.metrics(line(0)))
    (in_flight,) = await spool.read("carbon", 1)
    for number in range(1, 30):
        await spool.append(setup.metrics(line(number)))
    assert spool.state.memory_bytes <= SMALL.metrics_memory_bytes
    assert setup.counted("queue_dropped_lines", reason="memory_limit") == dropped(spool) > 0
    await spool.acknowledge("carbon", in_flight.position)
    assert 1 + len(await take_all(spool, "carbon")) + dropped(spool) == 30
    await spool.close()


async def test_where_all_is_in_hands_it_is_the_new_that_gives_way_and_nobody_waits_for_it(
    setup: SpoolSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slurmlens.delivery.spool.writer.COMMIT_WAIT_S", 3600)
    spool = await setup.opened({"hub": Stream.EVENTS}, SMALL)
    for number in range(7):
        await spool.append(setup.batch(line(number)))
    in_flight = await spool.read("hub", 1 << 30)
    for number in range(7, 10):
        await spool.append(setup.batch(line(number)))
    assert len(in_flight) + dropped(spool) == 10
    await spool.acknowledge("hub", in_flight[-1].position)
    await spool.append(setup.batch(line(10)))
    assert await payloads(spool, "hub") == [line(10)]
    await spool.close()


async def test_what_is_read_from_a_disk_that_is_lost_then_is_not_lost_with_it(setup: SpoolSetup) -> None:
    earlier = await setup.opened()
    for number in range(4):
        await earlier.append(setup.batch(line(number)))
    await earlier.close()
    spool = await setup.opened()
    in_flight = await spool.read("hub", 2 * LINE)
    for path in setup.folder.iterdir():
        path.unlink()
    await spool.append(setup.batch(line(4)))
    await settled(spool)
    assert setup.counted("queue_dropped_lines", reason="disk_lost") == 2
    await spool.acknowledge("hub", in_flight[-1].position)
    assert await take_all(spool, "hub") == [line(4)]
    assert await take_all(spool, "file") == [line(0), line(1), line(4)]
    await spool.close()


async def test_a_sink_that_begins_anew_is_given_less_and_what_it_had_still_does_not_give_way(
    setup: SpoolSetup,
) -> None:
    spool = await setup.opened({"hub": Stream.EVENTS})
    for number in range(4):
        await spool.append(setup.batch(line(number)))
    await spool.read("hub", 3 * LINE)
    (first,) = await spool.read("hub", 1)
    setup.clock.advance(601)
    await spool.append(setup.batch(line(4)))
    await spool.acknowledge("hub", first.position)
    assert await payloads(spool, "hub", 3 * LINE) == [line(1), line(2), line(4)]
    await spool.close()


async def test_in_the_hands_of_a_daemon_that_was_killed_is_nothing_for_the_next(setup: SpoolSetup) -> None:
    spool = await setup.opened()
    await spool.append(setup.batch(line(0)))
    await spool.read("hub", 1)
    await spool._writer._disk.close()
    setup.clock.advance(601)
    second_life = await setup.opened()
    await settled(second_life)
    assert dropped(second_life) == 1
    assert second_life.backlog("hub").batches == 0
    await second_life.close()
    connection = sqlite3.connect(setup.folder / DATABASE)
    assert connection.execute("SELECT lines FROM dropped").fetchall() == [(1,)]
    connection.close()


@given(
    sizes=st.lists(st.integers(0, 1 << 40), min_size=1, max_size=40),
    chosen=st.lists(st.integers(0, 39), max_size=40),
    more=st.integers(0, 3),
)
def test_one_taken_from_anywhere_leaves_the_others_as_they_were(sizes: list[int], chosen: list[int], more: int) -> None:
    index, twin = Index(), list[BatchHeader]()
    for position, size in enumerate(sizes, 1):
        twin.append(BatchHeader(3 * position, size % 7, size, 11 * position))
        index.append(twin[-1])
    for number in chosen:
        if twin:
            header = twin.pop(number % len(twin))
            assert index.remove(header.position) == header
    for position in range(200, 200 + more):
        twin.append(BatchHeader(position, 1, 5, position))
        index.append(twin[-1])
    assert index.run(0, 1 << 40, 1 << 60) == twin
    assert index.head() == (twin[0] if twin else None)
    for after in {0, *(header.position for header in twin)}:
        behind = [header for header in twin if header.position > after]
        assert index.totals(after) == (len(behind), sum(s.lines for s in behind), sum(s.size_bytes for s in behind))
