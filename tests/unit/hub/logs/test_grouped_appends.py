"""Senders that ask at one time: kept as one, answered each for himself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from slurmlens.hub.logs.grouped_appends import ENOUGH_LINES, GroupedAppends, New
from slurmlens.hub.logs.query import NOBODY, LogPlace, StoredLine
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.logs.store import Lines
from testkit.log_store_promises import KEEP_DAYS, line, messages
from testkit.manual_clock import ManualClock


class Writer:
    """Keeps what it is given; a message "bad" spoils what it is in. It works when it is let to."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []
        self.may_work = asyncio.Event()

    async def write(self, groups: Sequence[Lines]) -> Sequence[New]:
        await self.may_work.wait()
        said = [one.message for lines in groups for one, _ in lines]
        if "bad" in said:
            raise ValueError("bad")
        self.transactions.append(said)
        return [tuple(StoredLine(one, owner, LogPlace(0, 0)) for one, owner in lines) for lines in groups]


def said(*texts: str) -> Lines:
    return [(line(number, text), NOBODY) for number, text in enumerate(texts)]


async def test_who_asks_meanwhile_is_kept_by_one_transaction_in_the_order_of_asking() -> None:
    writer = Writer()
    appends = GroupedAppends(writer.write)
    asked = [asyncio.create_task(appends.append(said(text))) for text in ("a", "b", "c")]
    writer.may_work.set()
    answers = await asyncio.gather(*asked)
    assert [[one.line.message for one in own] for own in answers] == [["a"], ["b"], ["c"]]
    assert writer.transactions == [["a", "b", "c"]]


async def test_what_cannot_be_kept_costs_whoever_asked_for_it_alone() -> None:
    writer = Writer()
    writer.may_work.set()
    appends = GroupedAppends(writer.write)
    asked = [appends.append(said(text)) for text in ("a", "bad", "b")]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[1], ValueError)
    assert writer.transactions == [["a"], ["b"]]


async def test_whoever_went_away_costs_the_others_nothing() -> None:
    writer = Writer()
    appends = GroupedAppends(writer.write)
    gone, stays = (asyncio.create_task(appends.append(said(text))) for text in ("a", "b"))
    await asyncio.sleep(0)
    gone.cancel()
    writer.may_work.set()
    assert len(await stays) == 1


async def test_many_lines_wait_for_no_others() -> None:
    writer = Writer()
    writer.may_work.set()
    appends = GroupedAppends(writer.write)
    await appends.append(said("first"))
    appends._next_s = asyncio.get_running_loop().time() + 3_600
    await appends.append(said(*["x"] * ENOUGH_LINES))
    few = asyncio.create_task(appends.append(said("few")))
    await asyncio.sleep(0)
    await appends.done()  # nor does a hub that ends
    assert await few


async def test_a_number_too_large_for_the_database_costs_its_own_sender_alone(tmp_path: Path) -> None:
    store = SqliteLogStore(tmp_path / "logs", KEEP_DAYS, ManualClock())
    odd = msgspec.structs.replace(line(9), job_id=2**70)
    answers = await asyncio.gather(
        *(store.append([(one, NOBODY)]) for one in (line(1), odd, line(1), line(2))), return_exceptions=True
    )
    assert isinstance(answers[1], OverflowError)
    assert sorted(len(kept.new) for kept in answers if not isinstance(kept, BaseException)) == [0, 1, 1]
    assert len(await messages(store)) == 2
    await store.close()
    (path,) = (tmp_path / "logs").glob("*.sqlite3")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sum(lines) FROM minutes").fetchone() == (2,)


async def test_whoever_asked_for_nothing_is_answered() -> None:
    writer = Writer()
    writer.may_work.set()
    with pytest.raises(ValueError, match="bad"):
        await GroupedAppends(writer.write).append(said("bad"))
    assert await GroupedAppends(writer.write).append([]) == ()
