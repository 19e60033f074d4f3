"""A user's own page: what runs, waits and failed, what to do about it, and what it all used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from slurmlens.cli.main import main
from slurmlens.clock import NS_PER_S
from slurmlens.config.hub import HubConfig
from slurmlens.hub.history.facts import JobList, JobRow, Outcome, OutcomeSource
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.usage.facts import UsageWindow
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.views.home.build import own_use, weeks_before
from slurmlens.hub.views.home.terminal import render_home
from slurmlens.hub.views.home.view import HomeView
from slurmlens.hub.web.app import make_app
from slurmlens.shown.terminal import Sheet
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.job_hub import Live, ToldInside, plain_status, take_nothing
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S

GIB = 2**30
EVIL = 'n"><b>evil</b>\n\u202e'


@pytest.fixture
async def client(history: History, clock: ManualClock) -> AsyncIterator[TestClient]:
    """One job runs, one waits, one ran out of memory an hour ago, one failed a month ago; an hour after the begin."""
    await history.learn(
        record(JobState.RUNNING, job_id=1, name=EVIL),
        record(JobState.PENDING, job_id=2, start=None, reason="Resources", expected_start_s=BEGIN_S + 9000),
        record(JobState.OUT_OF_MEMORY, job_id=3, end=60, name="post", memory_bytes=8 * GIB, cpu_count=8, node_count=2),
        record(JobState.FAILED, job_id=4, submit=-30 * 86_400, start=-29 * 86_400, end=-28 * 86_400),
        record(JobState.COMPLETED, job_id=5, end=70),
    )
    clock.advance((BEGIN_S + 3600) - clock.wall_ns() / NS_PER_S)
    app = make_app(
        queries=history.queries,
        progress=ToldInside(),
        inventory=InventoryQueries(history.store, "demo"),
        live=Live(),
        take_events=take_nothing,
        status=plain_status,
        settings=HubConfig(cluster="demo"),
        clock=clock,
    )
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def test_what_was_used_of_what_was_held_is_shown_week_by_week(history: History, clock: ManualClock) -> None:
    monday_s = (BEGIN_S // 86_400 - (BEGIN_S // 86_400 + 3) % 7) * 86_400
    week_s = 7 * 86_400
    into = monday_s - BEGIN_S
    await history.learn(
        record(JobState.COMPLETED, job_id=1, submit=into, start=into + 60, end=into + 3_660, cpu_count=2),
        record(JobState.FAILED, job_id=2, submit=into - week_s, start=into - 1_800, end=into + 1_800, cpu_count=4),
    )
    clock.advance(BEGIN_S + week_s - clock.wall_ns() / NS_PER_S)
    keeper = UsageKeeper(history.store, "demo", history.news, clock)
    while (await keeper.step()).jobs:
        pass
    app = make_app(
        queries=history.queries,
        progress=ToldInside(),
        inventory=InventoryQueries(history.store, "demo"),
        usage=UsageQueries(history.store, "demo"),
        live=Live(),
        take_events=take_nothing,
        status=plain_status,
        settings=HubConfig(cluster="demo"),
        clock=clock,
    )
    async with TestClient(TestServer(app)) as client:
        view = await home_of(client, "alice")
        page = await (await client.get("/me?user=alice")).text()
    held = [(week.from_s - monday_s, week.core_s, week.failed_ratio) for week in view.weeks]
    assert held == [(-week_s, 7_200, 1.0), (0, 7_200 + 7_200, 0.5), (week_s, 0, None)], (
        "a run over two weeks is in both"
    )
    assert [week.cpu_ratio for week in view.weeks] == [None, None, None], "nobody measured any"
    assert page.count('data-label="CPU used"') == 3
    text = render_home(view, Sheet(UTC))
    assert time.strftime("%Y-%m-%d", time.gmtime(monday_s)) in text
    assert max(map(len, text.splitlines())) <= 80
    assert weeks_before(monday_s + week_s - 1)[-1] == UsageWindow(monday_s, monday_s + week_s)


async def home_of(client: TestClient, user: str) -> HomeView:
    answer = await client.get(f"/me.json?user={user}")
    assert answer.status == 200
    return msgspec.json.decode(await answer.read(), type=HomeView)


async def test_what_runs_waits_and_failed_within_a_week_is_there_with_what_to_do(client: TestClient) -> None:
    view = await home_of(client, "alice")
    assert view.sentence == "1 running, 1 waits, 1 failed in the last 7 days."
    assert [line.job_id for line in view.current.rows] == [1, 2]
    assert view.current.rows[1].reason == "not enough of what it asks for is free yet (Resources)"
    (failed,) = view.failed
    assert failed.job.job_id == 3
    assert failed.headline
    assert failed.cause == "it ran out of the memory that it had asked for (sure)"
    assert [advice.line for advice in failed.advice] == ["--mem=8G"]
    assert (view.use.jobs, view.use.failed) == (3, 2)


async def test_failed_jobs_are_read_whole_once_however_often_the_page_is_looked_at(
    client: TestClient, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await home_of(client, "alice")
    monkeypatch.setattr(history.queries, "job_facts", None)  # whoever reads a job now, fails
    assert (await home_of(client, "alice")).failed == first.failed != ()


async def test_the_page_shows_it_and_names_in_it_are_only_text(client: TestClient) -> None:
    answer = await client.get("/me?user=alice")
    page = await answer.text()
    assert answer.status == 200
    assert "<b>evil" not in page
    assert "--mem=8G" in page
    assert page.count('href="/jobs/3"') == 1


async def test_who_has_no_jobs_is_told_so(client: TestClient) -> None:
    view = await home_of(client, "nobody")
    assert (view.current.rows, view.failed) == ((), ())
    assert view.use.sentence == "No job ended in the last 30 days."


async def test_without_a_name_the_list_of_all_is_shown_and_data_says_what_to_do(client: TestClient) -> None:
    page = await client.get("/me", allow_redirects=False)
    assert (page.status, page.headers["Location"]) == (302, "/jobs")
    data = await client.get("/me.json")
    assert data.status == 404
    assert "?user=NAME" in (await data.json())["advice"]


async def test_the_terminal_says_the_same(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    url = str(client.make_url("")).rstrip("/")
    assert await asyncio.to_thread(main, ["me", "--user", "alice", "--hub", url]) == 0
    text = capsys.readouterr().out
    assert "1 running, 1 waits, 1 failed in the last 7 days." in text
    assert "--mem=8G" in text
    assert max(map(len, text.splitlines())) <= 80


def ended(job_id: int, **fields: object) -> JobRow:
    """A job that held 4 cores and 4 GiB on one node for an hour."""
    told = record(
        JobState.COMPLETED, job_id=job_id, end=3600, nodes=("n1",), cpu_count=4, memory_bytes=4 * GIB, node_count=1
    )
    outcome = Outcome(state=JobState.COMPLETED, label="COMPLETED", source=OutcomeSource.SCHEDULER)
    begin_ns = BEGIN_S * NS_PER_S
    known = {"start_ns": begin_ns, "end_ns": begin_ns + 3600 * NS_PER_S, "nodes": ("n1",), **fields}
    return JobRow(cluster="demo", job_id=job_id, run=1, outcome=outcome, record=told, **known)  # type: ignore[arg-type]


def test_use_is_summed_over_the_jobs_of_which_it_is_known_and_the_larger_waste_is_named() -> None:
    rows = (ended(1, cpu_s=14_400.0, memory_peak_bytes=GIB), ended(2, cpu_s=7_200.0), ended(3))
    use = own_use(JobList(rows=rows), BEGIN_S * NS_PER_S + 2 * 3600 * NS_PER_S)
    assert use.cpu_ratio == pytest.approx(0.75)
    assert use.memory_ratio == pytest.approx(0.25)
    assert use.unused_memory_byte_s == pytest.approx(3 * GIB * 3600)
    assert use.core_s == pytest.approx(3 * 14_400)
    assert use.helps == "--mem: 3.0 GiB-hours were held that nobody touched"


def test_who_uses_what_he_asks_for_is_told_nothing() -> None:
    use = own_use(JobList(rows=(ended(1, cpu_s=14_000.0, memory_peak_bytes=3.9 * GIB),)), BEGIN_S * NS_PER_S)
    assert use.helps is None
