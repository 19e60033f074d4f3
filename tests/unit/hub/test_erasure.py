"""A person who was erased is in no table and no line, comes back by no conclusion, and sums stay as they were."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, select

import slurmlens.hub.pipeline  # noqa: F401  # with it come the tables of all rooms
from slurmlens.cli.main import main
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.database_file import held
from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.erasure.database import Erased, erase
from slurmlens.hub.erasure.lines import erase_lines
from slurmlens.hub.findings.claims import FindingKind
from slurmlens.hub.history.facts import JobFilter
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.logs.query import JobOwner, LogQuery
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.usage.facts import UsageWindow
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.usage.rebuild import rebuild_usage
from slurmlens.hub.usage.tables import SUMS
from slurmlens.log_lines import LogLine
from slurmlens.slurm.records import JobState
from testkit.findings import failing_node_claim, finding_room
from testkit.hub_history import History, record
from testkit.inventories import fact, relation, telling
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, Told, at_ns

ALICE, BOB = "alice", "bob"
NAME = "secret-project"
BOBS = msgspec.structs.replace(
    record(JobState.COMPLETED, job_id=8, name="bobs", start=0, end=90, cpu_count=4), user=BOB, user_id=3002
)


async def a_life(history: History) -> UsageQueries:
    """Alice's and Bob's jobs with all that hangs on them; every place that can hold a name."""
    told = Told(7, "n1")
    await history.hear(told.start(1, job_name=NAME), told.points(2, 1.0, 2.0), told.summary(1, 90), told.end(91))
    await history.learn(
        record(JobState.COMPLETED, job_id=7, name=NAME, start=0, end=90, cpu_count=4),
        BOBS,
    )
    people = [
        fact(f"user {ALICE}", "uid", 1001),
        fact(f"user {ALICE}", "exists", True),
        fact("user bob", "exists", True),
    ]
    await InventoryRecorder(history.store, "demo").take(
        telling(at_ns(1), *people, relation(f"user {ALICE}", "member of", "account physics"))
    )
    room = finding_room(history)
    claim = failing_node_claim("n1", jobs=(7,))
    hers = msgspec.structs.replace(
        claim, kind=FindingKind.FAILING_NODE, entities=(Entity("user", ALICE),), sentence=f"n1 fails {ALICE}'s jobs"
    )
    await room.take([hers])
    history.clock.advance(7200)
    keeper = UsageKeeper(history.store, "demo", history.news, history.clock)
    while (await keeper.step()).jobs:
        pass
    return UsageQueries(history.store, "demo")


def everything(connection: Connection) -> dict[str, str]:
    """All that stands in each table, as text."""
    return {
        name: repr([tuple(row) for row in connection.execute(select(table))]) for name, table in metadata.tables.items()
    }


async def erased_from(history: History) -> Erased:
    return await history.store.write(lambda transaction: erase(transaction, ALICE, "erased-1"))


async def test_an_erased_person_stands_in_no_table_and_sums_stay(history: History) -> None:
    usage = await a_life(history)
    window = UsageWindow(BEGIN_S, BEGIN_S + 3600)
    before = await usage.usage(EVERYBODY, window, BEGIN_S + 7200)
    holding = {name for name, text in (await history.store.read(everything)).items() if ALICE in text}
    assert holding >= {"runs", "executions", "sightings", "findings", "inventory_facts", "usage_runs"}
    assert holding >= {table.name for table in SUMS}
    erased = await erased_from(history)
    assert erased.jobs == {7}
    left = await history.store.read(everything)
    packed = {"batches"} if erased.bodies_left else set()
    assert {name for name, text in left.items() if ALICE in text or NAME in text} - packed == set()
    assert any(BOB in text for text in left.values())
    after = await usage.usage(EVERYBODY, window, BEGIN_S + 7200)
    assert sum(one.core_s for one in after.by_key.values()) == sum(one.core_s for one in before.by_key.values())
    assert {key.user for key in after.by_key} == {"erased-1", BOB}


async def test_usage_made_anew_after_an_erasure_is_what_the_erasure_left(history: History) -> None:
    await a_life(history)
    await erased_from(history)
    left = await history.store.read(everything)
    await rebuild_usage(history.store, "demo")
    keeper = UsageKeeper(history.store, "demo", history.news, history.clock)
    while (await keeper.step()).jobs:
        pass
    anew = await history.store.read(everything)
    assert {table.name: anew[table.name] for table in SUMS} == {table.name: left[table.name] for table in SUMS}


async def test_a_conclusion_made_anew_does_not_bring_the_name_back(history: History) -> None:
    await a_life(history)
    await erased_from(history)
    await history.hear(Told(7, "n1").dropped(100, 1))
    await history.learn(BOBS)
    (row,) = (await history.queries.jobs(EVERYBODY, JobFilter(user="erased-1"))).rows
    assert (row.job_id, row.name) == (7, None)
    assert (await history.queries.jobs(EVERYBODY, JobFilter(user=ALICE))).rows == ()


async def test_erasing_who_is_not_there_changes_nothing(history: History) -> None:
    await a_life(history)
    before = await history.store.read(everything)
    erased = await history.store.write(lambda transaction: erase(transaction, "nobody-here", "erased-2"))
    assert (erased.jobs, erased.rows) == (frozenset(), {})
    assert await history.store.read(everything) == before


async def test_a_persons_log_lines_go_and_cannot_be_searched(tmp_path: Path, clock: ManualClock) -> None:
    store = SqliteLogStore(tmp_path / "logs", 7, clock)
    hers = LogLine(id="a", time_ns=at_ns(1), node="n1", message="confidential words", job_id=7)
    his = LogLine(id="b", time_ns=at_ns(2), node="n1", message="confidential figures", job_id=8)
    owners = JobOwner(ALICE, "physics", "all"), JobOwner(BOB, "physics", "all")
    await store.append([(hers, owners[0]), (his, owners[1])])
    await store.close()
    assert erase_lines(tmp_path / "logs", ALICE, {7}) == 1
    assert erase_lines(tmp_path / "logs", ALICE, {7}) == 0
    store = SqliteLogStore(tmp_path / "logs", 7, clock)
    found = await store.search(EVERYBODY, LogQuery(text="confidential"))
    assert [one.line.message for one in found.lines] == ["confidential figures"]
    await store.close()
    for path in (tmp_path / "logs").glob("*.sqlite3"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")


def test_the_command_asks_to_be_sure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["erase", ALICE]) == 3
    assert "--yes" in capsys.readouterr().err


def test_the_command_refuses_while_a_hub_has_the_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/hub.sqlite3"
    settings = tmp_path / "hub.toml"
    settings.write_text(f'cluster = "demo"\n[database]\nurl = "{url}"\n')
    with held(url):
        assert main(["erase", ALICE, "--yes", "--config", str(settings)]) == 2
    assert "Is the hub stopped?" in capsys.readouterr().err


def test_the_command_takes_a_person_out_of_a_stopped_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "hub.toml"
    settings.write_text(f'cluster = "demo"\n[database]\nurl = "sqlite:///{tmp_path}/hub.sqlite3"\n')
    assert main(["erase", ALICE, "--yes", "--config", str(settings)]) == 0
    assert "alice: 0 jobs stand under a pseudonym now" in capsys.readouterr().out
