"""A live page asks the log store for the days of a job's whole age seldom, and loses no line by it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import EVERYBODY, Viewer
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.logs.query import NOBODY, LogPage, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.store import LogStoreError
from slurmlens.hub.web.marked_lines import WHOLE_S, MarkedLines
from slurmlens.log_lines import LogLine, Severity
from testkit.job_gallery import running

DAY_NS = 86_400 * NS_PER_S


def line(time_ns: int) -> StoredLine:
    told = LogLine(id=f"l{time_ns}", time_ns=time_ns, node="n1", severity=Severity.ERROR, message="oom", job_id=4711)
    return StoredLine(told, NOBODY, LogPlace(time_ns, 1))


class Store:
    """A store of lines that notes what it is asked for."""

    def __init__(self) -> None:
        self.lines: list[StoredLine] = []
        self.asked: list[LogQuery] = []
        self.is_away = False

    async def search(self, viewer: Viewer, query: LogQuery) -> LogPage:
        if self.is_away:
            raise LogStoreError("away")
        self.asked.append(query)
        until_ns = query.until_ns or 2**63
        fitting = [one for one in self.lines if (query.since_ns or 0) <= one.place.time_ns < until_ns]
        return LogPage(tuple(sorted(fitting, key=lambda one: -one.place.time_ns)), has_more=False)

    async def around(self, *rest: object) -> LogPage:
        raise NotImplementedError

    async def histogram(self, *rest: object) -> Sequence[object]:
        raise NotImplementedError


def at(seconds: float, age_days: float = 20, **changes: object) -> JobFacts:
    """A job that was submitted so many days ago, read so many seconds after the first reading."""
    facts = running(40)
    now_ns = facts.as_of_ns + round(seconds * NS_PER_S)
    begin_ns = facts.as_of_ns - round(age_days * DAY_NS)
    return msgspec.structs.replace(facts, as_of_ns=now_ns, submit_ns=begin_ns, start_ns=begin_ns, **changes)


def asked_ns(store: Store) -> list[int]:
    """How far back each question went."""
    return [at(0).as_of_ns - (query.since_ns or 0) for query in store.asked]


@pytest.fixture
def store() -> Store:
    return Store()


async def test_its_whole_age_is_asked_for_once_and_then_only_what_may_be_new(store: Store) -> None:
    old, new = line(at(0).as_of_ns - 15 * DAY_NS), line(at(9).as_of_ns)
    store.lines = [old]
    lines = MarkedLines(store)  # type: ignore[arg-type]
    assert list(await lines.read(EVERYBODY, at(0))) == [old]
    store.lines.append(new)
    for seconds in range(10, 60, 10):
        assert list(await lines.read(EVERYBODY, at(seconds))) == [new, old]
    first, *later = asked_ns(store)
    assert first == 20 * DAY_NS
    assert max(later) <= DAY_NS


async def test_a_line_that_came_late_is_found_after_a_while(store: Store) -> None:
    lines = MarkedLines(store)  # type: ignore[arg-type]
    assert list(await lines.read(EVERYBODY, at(0))) == []
    late = line(at(0).as_of_ns - 5 * DAY_NS)
    store.lines = [late]
    assert list(await lines.read(EVERYBODY, at(10))) == []
    assert list(await lines.read(EVERYBODY, at(WHOLE_S + 1))) == [late]


async def test_a_job_that_ended_days_ago_costs_one_question(store: Store) -> None:
    lines = MarkedLines(store)  # type: ignore[arg-type]
    for seconds in range(0, 60, 10):
        await lines.read(EVERYBODY, at(seconds, end_ns=at(0).as_of_ns - 3 * DAY_NS))
    assert len(store.asked) == 1


async def test_another_run_of_the_job_is_asked_for_anew(store: Store) -> None:
    lines = MarkedLines(store)  # type: ignore[arg-type]
    await lines.read(EVERYBODY, at(0))
    await lines.read(EVERYBODY, at(10, run=at(0).run + 1))
    assert asked_ns(store) == [20 * DAY_NS] * 2


async def test_a_store_that_is_away_costs_its_lines_and_is_asked_for_all_of_them_again(store: Store) -> None:
    store.lines = [line(at(0).as_of_ns - 15 * DAY_NS)]
    store.is_away = True
    lines = MarkedLines(store)  # type: ignore[arg-type]
    assert list(await lines.read(EVERYBODY, at(0))) == []
    store.is_away = False
    assert list(await lines.read(EVERYBODY, at(10))) == store.lines
