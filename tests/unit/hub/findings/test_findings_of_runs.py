"""A finding touches runs, not job ids: ids come again, by requeues of one job and for another user's. Old ones go."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine, func, select, text

from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.database.retention import Retention
from slurmlens.hub.database.store import Store
from slurmlens.hub.findings import tables as schema
from slurmlens.hub.findings.claims import ClosedWhy, Word
from slurmlens.hub.findings.facts import FindingFilter
from slurmlens.hub.findings.keeping import run_then
from slurmlens.hub.findings.ledger import FindingLedger
from slurmlens.hub.findings.read import FindingQueries
from slurmlens.hub.findings.retention import DAY_S, kinds_of_findings
from slurmlens.hub.inventory.runs import RunNumber
from slurmlens.slurm.records import JobState
from testkit.database_versions import take_back_to
from testkit.findings import failing_node_claim, finding_room
from testkit.hub_history import History, record
from testkit.told_events import at_ns

ALICE, BOB = (Viewer(name, frozenset({Role.USER})) for name in ("alice", "bob"))


async def two_runs(history: History, *, second_user: str = "alice") -> None:
    """Job 7 failed within 30 s; the same id ran again from 600 s on."""
    await history.learn(record(JobState.FAILED, end=30))
    again = record(JobState.COMPLETED, submit=590, start=600, end=700)
    await history.learn(msgspec.structs.replace(again, user=second_user))
    assert [(await history.facts(run=run)).outcome.state for run in (1, 2)] == [JobState.FAILED, JobState.COMPLETED]


@pytest.mark.parametrize("runs", [(RunNumber(7, 1),), ()], ids=["named by runs", "named by lines alone"])
async def test_a_finding_stands_on_the_page_of_the_run_that_it_touched_alone(
    history: History, runs: tuple[RunNumber, ...]
) -> None:
    await two_runs(history)
    room = finding_room(history)
    await room.take([msgspec.structs.replace(failing_node_claim("n1", jobs=(7,)), runs=runs)])
    assert [one.number for one in await room.of_job(ALICE, 7, 1)] == [1]
    assert await room.of_job(ALICE, 7, 2) == []
    later = failing_node_claim("n1", jobs=(7, 8), to_ns=at_ns(650))  # another job failed there; 7 was not touched anew
    await room.take([msgspec.structs.replace(later, runs=runs)])
    assert await room.of_job(ALICE, 7, 2) == []


async def test_who_is_given_an_old_job_id_is_not_told_of_the_one_who_had_it(history: History) -> None:
    await two_runs(history, second_user="bob")
    room = finding_room(history)
    await room.take([failing_node_claim("n1", jobs=(7,))])
    assert await room.listed(BOB, FindingFilter()) == []
    assert await room.one(BOB, 1) is None
    (seen,) = await room.listed(ALICE, FindingFilter())
    assert seen.claim.jobs == (7,)


async def test_a_job_that_the_hub_hears_of_later_is_touched_from_the_next_change_on(history: History) -> None:
    room = finding_room(history)
    await room.take([failing_node_claim("n1", jobs=(7,))])
    assert await room.listed(ALICE, FindingFilter()) == []
    await history.learn(record(JobState.FAILED, end=30))
    await room.take([failing_node_claim("n1", jobs=(7,), to_ns=at_ns(90))])
    assert len(await room.listed(ALICE, FindingFilter())) == 1


def test_lines_are_of_the_run_that_there_was_then() -> None:
    begun = [(at_ns(0), 1), (at_ns(600), 2)]
    assert [run_then(begun, at_ns(second)) for second in (-60, 0, 590, 598, 900)] == [1, 1, 1, 2, 2]


async def test_findings_go_some_time_after_their_end_with_what_was_said_of_them(history: History) -> None:
    await history.learn(record(JobState.FAILED, end=30))
    room = finding_room(history)
    over, stands = await room.take([failing_node_claim("n1", jobs=(7,)), failing_node_claim("n2", jobs=(7,))])
    await room.say(EVERYBODY, over.number, Word.DISMISS)
    retention = Retention(history.store, kinds_of_findings(730), history.clock)
    history.clock.advance(729 * DAY_S)
    assert not await retention.turn()
    history.clock.advance(2 * DAY_S)
    while await retention.turn():
        pass
    assert await finding_room(history).listed(EVERYBODY, FindingFilter(is_over=True)) == []
    assert [one.number for one in await finding_room(history).listed(ALICE, FindingFilter())] == [stands.number]
    tables = (schema.findings, schema.finding_runs, schema.finding_words)
    counts = [select(func.count()).select_from(table) for table in tables]
    assert await history.store.read(lambda c: [c.execute(count).scalar_one() for count in counts]) == [1, 1, 0]


def test_what_is_in_memory_forgets_old_ends_but_not_a_dismissal_of_what_goes_on() -> None:
    ledger, day_ns = FindingLedger(), round(DAY_S * 1e9)
    ledger.take([failing_node_claim("n1")], at_ns(61))
    (finding,) = ledger.standing.values()
    ledger.close(finding, ClosedWhy.VERIFIED, at_ns(62))
    ledger.fade(at_ns(62) + 29 * day_ns)
    assert len(ledger.ended) == 1
    ledger.fade(at_ns(62) + 31 * day_ns)
    assert ledger.ended == {}


async def test_a_database_of_before_says_which_run_was_touched_after_the_upgrade(tmp_path: Path) -> None:
    from testkit.manual_clock import ManualClock

    url = f"sqlite:///{tmp_path}/old.sqlite3"
    history = await History.open(url, ManualClock())
    await two_runs(history)
    (finding,) = await finding_room(history).take([failing_node_claim("n1", jobs=(7,), to_ns=at_ns(61))])
    await history.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        take_back_to(connection, 25)
        connection.execute(text(f"INSERT INTO finding_jobs VALUES ({finding.number}, 7), ({finding.number}, 99)"))
        connection.execute(text(f"UPDATE findings SET last_ns = {at_ns(300)}"))
    engine.dispose()
    store = await Store.open(url)
    queries = FindingQueries(store, "demo")
    assert [one.number for one in await queries.of_job(ALICE, 7, 1)] == [finding.number]
    assert await queries.of_job(ALICE, 7, 2) == []
    await store.close()
