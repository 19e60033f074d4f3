"""What is kept in memory until it is packed changes what packing costs, and nothing else."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.record.packing import Packer
from slurmlens.hub.history.record.recent_profiles import RecentProfiles
from slurmlens.wire import ecs
from slurmlens.wire.received import ReceivedLine, receive
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import Told

ONE, OTHER = Told(node="n1"), Told(node="n2")
NOTHING = RecentProfiles(0)


def lines(*events: object) -> list[ReceivedLine]:
    return [ReceivedLine(number, receive(ecs.encode(event))) for number, event in enumerate(events, start=1)]  # type: ignore[arg-type]


async def courses(history: History) -> list[tuple[object, ...]]:
    def read(connection: object) -> list[tuple[object, ...]]:
        packed = [
            *connection.execute(select(schema.courses)),  # type: ignore[attr-defined]
            *connection.execute(select(schema.course_pieces)),  # type: ignore[attr-defined]
        ]
        return [tuple(row) for row in packed]

    return await history.store.read(read)


async def a_few_requests(history: History) -> None:
    await history.apply([ONE.start(0), ONE.points(0, 1, 2, 3), OTHER.points(0, 4, 5)])
    await history.apply([ONE.points(20, 3, 4, 5), OTHER.beat(30)])
    await history.apply([ONE.points(20, 3, 4, 5)])  # once more
    await history.apply([OTHER.summary(0, 40, means=(1.0, 2.0, 3.0))])


async def test_bodies_that_are_read_again_give_the_same_courses(tmp_path: Path) -> None:
    packed = []
    for name, forgets in (("kept", False), ("read again", True)):
        history = await History.open(f"sqlite:///{tmp_path}/{name}.sqlite3", ManualClock())
        await a_few_requests(history)
        packer = Packer(history.store, NOTHING, history.news, history.reporter) if forgets else history.packer
        assert (await packer.pack()).profiles == 3
        packed.append(await courses(history))
        await history.close()
    assert packed[0] == packed[1] != []


async def test_what_is_packed_is_kept_no_longer(history: History) -> None:
    await a_few_requests(history)
    recent = history.applier.recent_profiles
    assert recent.of(1)
    await history.packer.pack()
    assert [recent.of(batch) for batch in range(1, 10)] == [None] * 9


def test_what_finds_no_room_stays_out_and_makes_none_for_itself() -> None:
    told = lines(ONE.points(0, 1, 2, 3))
    size = sum(len(line.event.profile.columns) for line in told)  # type: ignore[union-attr]
    recent = RecentProfiles(2 * size)
    for batch in (1, 2, 3):
        recent.keep(batch, told)
    assert [bool(recent.of(batch)) for batch in (1, 2, 3)] == [True, True, False]
    recent.forget(1)
    recent.keep(4, told)
    assert [bool(recent.of(batch)) for batch in (1, 2, 3, 4)] == [False, True, False, True]


async def test_a_commit_that_failed_takes_no_room_for_ever(history: History) -> None:
    recent = history.applier.recent_profiles
    recent.keep(1, lines(ONE.points(0, 1)))  # of a commit that was rolled back
    history.applier.numbers.next("batches")
    await history.apply([OTHER.points(0, 1, 2)])
    await history.packer.pack()
    assert recent.of(1) is None
