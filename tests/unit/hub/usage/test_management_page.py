"""The management's page, its JSON and CSV are of one model, and its rows add up to the second."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from slurmlens.config.hub import HubConfig
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.usage.charges import UsageSums
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.node_keeping import NodeTimeKeeper
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.views.capacity.terminal import render_capacity
from slurmlens.hub.views.capacity.view import CapacityView
from slurmlens.hub.views.management.terminal import render_management
from slurmlens.hub.views.management.view import ManagementView
from slurmlens.hub.web.app import make_app
from slurmlens.shown.terminal import Sheet
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.inventories import fact, relation, telling
from testkit.job_hub import FixedHistory, Live, ToldInside, plain_status, take_nothing
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, at_ns

Client = TestClient[object, object]
DAY = f"from={BEGIN_S - 100}&to={BEGIN_S + 80_000}"
ODD = "<b>{{ 7 * 7 }}</b>"


@pytest.fixture
async def client(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Client]:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", clock)
    clock.advance(100_000)
    recorder = InventoryRecorder(history.store, "demo")
    size = [fact(f"node {name}", "cpu_count", 16) for name in ("n1", "n2")]
    up = [fact(f"node {name}", "state", "IDLE") for name in ("n1", "n2")]
    inside = [relation("partition all", "contains", f"node {name}") for name in ("n1", "n2")]
    await recorder.take(telling(at_ns(0), *size, *up, *inside))
    down = [fact("node n1", "state", "IDLE"), fact("node n2", "state", "DOWN+NOT_RESPONDING")]
    await recorder.take(telling(at_ns(50_000), *size, *down, *inside))
    runs = [
        record(JobState.COMPLETED, job_id=1, end=10_000, cpu_count=8, account="physics", name="cfd-1", nodes=("n1",)),
        record(JobState.FAILED, job_id=2, start=90, end=7_001, cpu_count=4, account=ODD, name=ODD, nodes=("n2",)),
        record(JobState.RUNNING, job_id=3, start=60_000, cpu_count=2, account="bio", name="cfd-2", nodes=("n1",)),
    ]
    await history.learn(*runs)
    await UsageKeeper(history.store, "demo", history.news, clock).step()
    nodes = NodeTimeKeeper(history.store, "demo", clock)
    await nodes.close_hours()
    while await nodes.step():
        pass
    async with served(history, clock) as opened:
        yield opened
    await history.close()


@asynccontextmanager
async def served(history: History, clock: ManualClock) -> AsyncIterator[Client]:
    """The pages of usage on this history."""
    live = Live()
    app = make_app(
        queries=FixedHistory({}),
        progress=ToldInside(),
        inventory=InventoryQueries(history.store, "demo"),
        usage=UsageQueries(history.store, "demo"),
        live=live.demand,
        take_events=take_nothing,
        status=plain_status,
        settings=HubConfig(cluster="demo"),
        clock=clock,
    )
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def text_of(client: Client, path: str, status: int = 200) -> str:
    answer = await client.get(path)
    text = await answer.text()
    assert answer.status == status, text
    return text


async def view_of(client: Client, query: str = DAY) -> ManagementView:
    return msgspec.json.decode(await text_of(client, f"/management.json?{query}"), type=ManagementView)


async def test_every_tables_rows_add_up_to_its_first_and_all_tables_to_the_same(client: Client) -> None:
    view = await view_of(client)
    for table in view.tables:
        assert sum((row.sums for row in table.rows), UsageSums()) == table.whole.sums
        assert table.whole.sums == view.tables[0].whole.sums
    assert view.tables[0].whole.sums.core_s == 8 * 10_000 + 4 * 6_911 + 2 * 20_000


async def test_states_of_the_cores_add_up_and_the_course_to_the_same(client: Client) -> None:
    view = await view_of(client)
    cluster = view.utilisation[0]
    assert sum(one.core_s for one in cluster.states) == cluster.total_core_s == 32 * 80_000
    assert sum(sum(one.core_s.values()) for one in view.course) == cluster.total_core_s
    down = next(one for one in cluster.states if one.state == "down")
    assert down.core_s == 16 * 30_000


async def test_promises_say_what_they_stand_on(client: Client) -> None:
    view = await view_of(client)
    by_name = {level.name: level for level in view.levels}
    assert by_name["availability"].figure == pytest.approx(1 - 30_000 / 160_000)
    assert by_name["availability"].is_met is False
    assert by_name["reaction"].figure == 50_000  # nobody has looked at n2 yet: up to now
    assert [(one.node, one.to_s) for one in view.outages] == [("n2", None)]


async def test_the_csv_is_the_first_table(client: Client) -> None:
    rows = list(csv.DictReader(io.StringIO(await text_of(client, f"/management.csv?{DAY}&by=user"))))
    assert [row["user"] for row in rows] == ["all", "alice"]
    assert rows[0]["core_seconds"] == rows[1]["core_seconds"]


async def test_names_of_strangers_reach_the_page_as_text(client: Client) -> None:
    page = await text_of(client, f"/management?{DAY}")
    assert ODD not in page
    assert "&lt;b&gt;{{ 7 * 7 }}&lt;/b&gt;" in page
    assert "of=account%3A" + quote(ODD, safe="").replace("%20", "+") in page


async def test_one_reading_serves_who_opens_the_same_soon_whichever_table_comes_first(
    client: Client, clock: ManualClock
) -> None:
    first = await view_of(client)
    clock.advance(60)
    assert await view_of(client) == first
    other = await view_of(client, f"{DAY}&by=user")
    assert (other.made_s, other.job_types, other.course) == (first.made_s, first.job_types, first.course)
    assert (await view_of(client, f"from={BEGIN_S - 90_000}&to={BEGIN_S - 5_000}")).made_s == first.made_s + 60


async def test_a_window_without_a_job_says_so(client: Client) -> None:
    page = await text_of(client, f"/management?from={BEGIN_S - 90_000}&to={BEGIN_S - 5_000}")
    assert "Nothing ran in this window" in page


@pytest.mark.parametrize("query", ["from=9&to=3", "by=colour", "from=0", "from=x"])
async def test_what_cannot_be_used_is_named(client: Client, query: str) -> None:
    assert "cannot be used" in (text := await text_of(client, f"/management?{query}", 400)) or "is no moment" in text


async def test_the_terminal_shows_the_same(client: Client) -> None:
    text = render_management(await view_of(client), Sheet(UTC))
    assert "physics" in text
    assert "core-hours" in text
    assert max(map(len, text.splitlines())) <= 100


async def test_capacity_says_that_few_days_are_no_forecast(client: Client) -> None:
    page = await text_of(client, "/capacity")
    assert "are too few for a forecast" in page
    view = msgspec.json.decode(await text_of(client, "/capacity.json"), type=CapacityView)
    assert [one.forecast for one in view.figures] == [None, None]
    assert "are too few for a forecast" in " ".join(render_capacity(view, Sheet(UTC)).split())
    rows = list(csv.DictReader(io.StringIO(await text_of(client, "/capacity.csv"))))
    assert {row["figure"] for row in rows} == {figure.name for figure in view.figures}


async def test_capacity_compares_generations_of_nodes_on_the_same_kind_of_jobs(
    tmp_path: Path, clock: ManualClock
) -> None:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", clock)
    clock.advance(100_000)
    recorder = InventoryRecorder(history.store, "demo")
    features = [fact("node n1", "features", ("rome",)), fact("node n2", "features", ("<b>milan", "ib"))]
    await recorder.take(telling(at_ns(0), *features))
    lasts = {"n1": 1_000, "n2": 600}
    runs = [
        record(
            JobState.COMPLETED,
            job_id=100 * place + number,
            start=1_000 * number,
            end=1_000 * number + lasts[node] + number,
            cpu_count=8,
            name=f"cfd-{number}",
            nodes=(node,),
        )
        for place, node in enumerate(lasts, 1)
        for number in range(1, 9 if node == "n2" else 10)
    ]
    await history.learn(*runs, record(JobState.FAILED, job_id=999, start=5, end=10, name="cfd-9", nodes=("n2",)))
    await UsageKeeper(history.store, "demo", history.news, clock).step()
    async with served(history, clock) as client:
        view = msgspec.json.decode(await text_of(client, "/capacity.json"), type=CapacityView)
        page = await text_of(client, "/capacity")
    await history.close()
    (found,) = view.generations
    assert found.job_type == "cfd-#"
    first, second = found.generations
    assert (first.generation, first.runs, second.generation, second.runs) == ("rome", 9, "<b>milan, ib", 8)
    assert second.elapsed is not None
    assert second.elapsed.middle == pytest.approx(0.6, abs=0.01)
    assert second.elapsed.is_sure
    assert "0.60 ×" in page
    assert "<b>milan" not in page
    assert "/reports?of=type%3Acfd-%23" in page
    text = render_capacity(view, Sheet(UTC))
    assert re.search(r"rome +9 runs", text)
    assert re.search(r"<b>milan, ib +8 runs .* 0\.60 ×", text)
    assert max(map(len, text.splitlines())) <= 80


async def test_a_rebuild_is_for_the_command_line_alone(client: Client) -> None:
    refused = await client.post("/api/v1/usage/rebuild", headers={"Origin": "http://elsewhere.example"})
    assert refused.status == 403
    done = await client.post("/api/v1/usage/rebuild")
    assert (await done.json())["jobs"] == 3
