"""Campaigns on the hub: told by their user alone, the newest stays, seen by who may, and facts of the inventory."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slurmlens.hub.access.authenticating import is_user_name
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.campaigns.keeping import MOST_OF_USER, Campaigns
from slurmlens.hub.inventory.collectors.campaigns import campaign_entity, tell_campaign
from slurmlens.hub.inventory.entities import RAN
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.news import CampaignReceived
from slurmlens.wire.campaign_view import encode_campaign
from testkit.campaign_views import told_campaign
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.ruled_hub import browser, ruled_hub

BOB = Viewer("bob", frozenset({Role.USER}))
ALICE = Viewer("alice", frozenset({Role.USER}))


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    yield opened
    await opened.close()


@pytest.fixture
def campaigns(history: History) -> Campaigns:
    return Campaigns(history.store, "demo", history.news, history.clock)


async def test_what_was_told_is_what_is_shown_to_its_user_and_to_nobody_else(campaigns: Campaigns) -> None:
    view = told_campaign("c", jobs=(41, 42))
    assert await campaigns.take("bob", view)
    told = await campaigns.campaign(BOB, "bob", "c")
    assert told is not None
    assert told.view == view
    assert [one.name for one in await campaigns.listed(EVERYBODY)] == ["c"]
    assert await campaigns.campaign(ALICE, "bob", "c") is None
    assert await campaigns.listed(ALICE) == []


async def test_a_late_telling_changes_nothing_and_a_campaign_begun_anew_takes_the_place(campaigns: Campaigns) -> None:
    await campaigns.take("bob", told_campaign("c", events=20))
    assert not await campaigns.take("bob", told_campaign("c", events=19))
    assert await campaigns.take("bob", told_campaign("c", events=20, state="ended"))
    import msgspec

    anew = msgspec.structs.replace(told_campaign("c", events=1), opened_s=2_000.0)
    assert await campaigns.take("bob", anew)
    told = await campaigns.campaign(BOB, "bob", "c")
    assert told is not None
    assert told.view.events == 1


async def test_of_one_user_a_bounded_number_is_kept_the_latest(campaigns: Campaigns, history: History) -> None:
    for number in range(MOST_OF_USER + 3):
        history.clock.advance(1)
        await campaigns.take("bob", told_campaign(f"c{number}"))
    await campaigns.take("alice", told_campaign("other"))
    kept = {one.name for one in await campaigns.listed(BOB)}
    assert len(kept) == MOST_OF_USER
    assert f"c{MOST_OF_USER + 2}" in kept
    assert "c0" not in kept


async def test_its_runs_are_facts_of_the_inventory(history: History, campaigns: Campaigns) -> None:
    heard = history.news.subscribe(CampaignReceived)
    await campaigns.take("bob", told_campaign("c", jobs=(41, 42)))
    (fact,) = heard.take_all()
    assert isinstance(fact, CampaignReceived)
    recorder, now_ns = InventoryRecorder(history.store, "demo"), history.clock.wall_ns()
    await recorder.take(tell_campaign(fact.user, fact.view, now_ns))
    again = await recorder.take(tell_campaign(fact.user, fact.view, now_ns + 1))
    assert (again.begun, again.ended) == (0, 0)
    grown = told_campaign("c", jobs=(41, 42, 43), events=11)
    assert (await recorder.take(tell_campaign("bob", grown, now_ns + 2))).begun == 1
    queries, entity = InventoryQueries(history.store, "demo"), campaign_entity("bob", "c")
    for viewer, jobs in ((BOB, ["41", "42", "43"]), (EVERYBODY, ["41", "42", "43"]), (ALICE, [])):
        around = await queries.neighbourhood(viewer, entity, 1, now_ns + 3)
        assert sorted(one.other.name for one in around.relations if one.relation == RAN) == jobs
    before = await queries.neighbourhood(BOB, entity, 1, now_ns + 1)
    assert len([one for one in before.relations if one.relation == RAN]) == 2


async def test_its_page_links_every_point_to_its_job_and_its_table_has_them_all(tmp_path: Path) -> None:
    async with ruled_hub(tmp_path) as hub, browser(hub) as client:
        cookies = await hub.cookies("bob")
        page = await (await client.get("/campaigns/bob/c", cookies=cookies)).text()
        assert page.count('href="/jobs/43"') >= 3  # in the trace, among the threads, in the table
        rows = (await (await client.get("/campaigns/bob/c.csv", cookies=cookies)).text()).splitlines()
        assert rows[0].startswith("point,state,feasible,x,kind,y,job_id")
        assert len(rows) == 2


async def test_a_campaign_is_told_by_its_own_user_alone_and_never_by_a_browser(tmp_path: Path) -> None:
    async with ruled_hub(tmp_path) as hub, browser(hub) as client:
        body = encode_campaign(told_campaign("mine"))
        path = f"/api/v1/campaigns/bob/mine/telling?sha256={hashlib.sha256(body).hexdigest()}"
        answer = await client.post(path, data=body, cookies=await hub.cookies("bob"))
        assert answer.status == 403
        assert "command line" in await answer.text()
        assert is_user_name("bob")
