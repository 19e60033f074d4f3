"""Every address of the hub: what it answers, in which form, and what it says where there is nothing."""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from slurmlens.hub.history.facts import StateFilter
from slurmlens.hub.views.entity.view import EntityView
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.hub.views.workflow.build import render_workflows
from slurmlens.hub.views.workflow.view import WorkflowsView
from slurmlens.shown.terminal import Sheet
from slurmlens.slurm.job_ids import JobReference
from slurmlens.slurm.records import JobState
from testkit.job_gallery import GALLERY
from testkit.job_hub import FixedHistory, gallery_id, make_gallery_app
from testkit.job_parts import HOSTILE_NAME

Client = TestClient
FORBIDDEN_MARKUP = re.compile(rb"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", re.IGNORECASE)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Client, FixedHistory]]:
    app, (history, _) = make_gallery_app()
    async with TestClient(TestServer(app)) as client:
        yield client, history


@pytest.fixture
def client(served: tuple[Client, FixedHistory]) -> Client:
    return served[0]


@pytest.mark.parametrize("name", GALLERY)
async def test_every_job_of_the_gallery_has_a_page_json_and_csv(client: Client, name: str) -> None:
    job_id = gallery_id(name)
    page = await client.get(f"/jobs/{job_id}")
    assert page.status == 200
    assert f"slurmlens job {job_id}" in await page.text()
    data = await client.get(f"/jobs/{job_id}.json")
    assert msgspec.json.decode(await data.read(), type=JobView).identity.job_id == job_id
    table = await client.get(f"/jobs/{job_id}.csv")
    assert (await table.text()).startswith("job_id,run,state,node,")


@pytest.mark.parametrize("name", GALLERY)
async def test_no_page_holds_inline_script_or_style(client: Client, name: str) -> None:
    body = await (await client.get(f"/jobs/{gallery_id(name)}")).read()
    assert FORBIDDEN_MARKUP.search(body) is None


async def test_a_hostile_name_is_text_wherever_it_stands(client: Client) -> None:
    for path in ("/jobs", f"/jobs/{gallery_id('hostile_name')}"):
        text = await (await client.get(path)).text()
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    data = await (await client.get(f"/jobs/{gallery_id('hostile_name')}.json")).read()
    assert msgspec.json.decode(data)["identity"]["name"] == HOSTILE_NAME.replace("\udcff", "�")


@pytest.mark.parametrize("path", ["/jobs", "/users/alice", "/nodes/c1", "/partitions/all", "/accounts/acct1"])
async def test_every_list_has_a_page_json_and_csv(client: Client, path: str) -> None:
    page = await client.get(path)
    assert page.status == 200
    assert FORBIDDEN_MARKUP.search(await page.read()) is None
    data = await (await client.get(f"{path}.json")).read()
    assert await (await client.get(f"/api/v1{path}")).read() == data
    jobs = (
        msgspec.json.decode(data, type=JobsView) if path == "/jobs" else msgspec.json.decode(data, type=EntityView).jobs
    )
    assert jobs is not None
    assert jobs.rows
    assert (await (await client.get(f"{path}.csv")).text()).startswith("job_id,run,state,name,")


async def test_filters_of_the_address_reach_the_query(served: tuple[Client, FixedHistory]) -> None:
    client, history = served
    await client.get("/jobs?state=failed&user=alice&partition=all&account=acct1&node=c2&limit=7")
    asked = history.asked[-1]
    assert asked.state is StateFilter.FAILED
    assert (asked.user, asked.partition, asked.account, asked.node, asked.limit) == ("alice", "all", "acct1", "c2", 7)
    await client.get("/users/bob?state=TIMEOUT&user=alice")
    assert history.asked[-1].user == "bob"
    assert history.asked[-1].state is JobState.TIMEOUT


async def test_a_list_goes_on_behind_its_end_as_page_and_as_json(client: Client) -> None:
    whole = msgspec.json.decode(await (await client.get("/jobs.json")).read(), type=JobsView)
    assert whole.next is None
    seen, address, links = [], "/jobs.json?limit=5", 0
    while address:
        view = msgspec.json.decode(await (await client.get(address)).read(), type=JobsView)
        page = await (await client.get(address.replace(".json", ""))).text()
        assert ('rel="next"' in page) == view.more == (view.next is not None)
        if view.next:
            assert f"/jobs?limit=5&amp;after={view.next}" in page
        seen += [row.job_id for row in view.rows]
        address = f"/jobs.json?limit=5&after={view.next}" if view.next else ""
        links += 1
    assert seen == [row.job_id for row in whole.rows]
    assert links == -(-len(seen) // 5)


async def test_a_name_with_odd_characters_links_to_its_own_list(served: tuple[Client, FixedHistory]) -> None:
    client, history = served
    await client.get("/users/a%2Fb%3F%22%3E")
    assert history.asked[-1].user == 'a/b?">'


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state=broken", "is no state"),
        ("limit=0", "limit="),
        ("limit=1e9", "limit="),
        ("after=1.2", "after="),
        ("after=2.x.1", "after="),
        ("after=2.-1.1", "after="),
        (f"after=2.1.{2**63}", "after="),
        ("id=abc", "is no job id"),
    ],
)
async def test_a_filter_that_cannot_be_used_is_named(client: Client, query: str, words: str) -> None:
    answer = await client.get(f"/jobs?{query}", allow_redirects=False)
    assert answer.status in (400, 404)
    assert words in await answer.text()


async def test_a_job_id_that_is_looked_for_leads_to_its_page(client: Client) -> None:
    answer = await client.get("/jobs?id=+4711+", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/jobs/4711")
    home = await client.get("/", allow_redirects=False)
    assert (home.status, home.headers["Location"]) == (302, "/jobs")


@pytest.mark.parametrize(
    "path", ["/jobs/99", "/jobs/4711/7", "/jobs/0", "/jobs/99999999999999999999", "/nothing", "/static/x/../app.py"]
)
async def test_what_is_not_there_says_so_and_what_to_do(client: Client, path: str) -> None:
    page = await client.get(path)
    assert page.status == 404
    assert "/jobs" in await page.text()


async def test_a_hub_that_starts_no_workflows_says_so_and_what_to_write_for_it(client: Client) -> None:
    page = await (await client.get("/workflows")).text()
    assert "its settings have no table [workflows]" in page
    assert "key_file = " in page
    view = msgspec.json.decode(await (await client.get("/workflows.json")).read(), type=WorkflowsView)
    assert (view.is_on, view.rows) == (False, ())
    assert "key_file = " in render_workflows(view, Sheet(zone=datetime.UTC))


async def test_a_task_and_a_component_have_the_page_of_their_own_job(served: tuple[Client, FixedHistory]) -> None:
    client, history = served
    history.parts = {JobReference(4700, array_task_id=11): 4711, JobReference(4600, het_job_offset=1): 4712}
    for shown, own in (("4700_11", 4711), ("4600+1", 4712)):
        data = await (await client.get(f"/jobs/{shown}.json")).read()
        assert msgspec.json.decode(data, type=JobView).identity.job_id == own
        assert (await client.get(f"/jobs/{shown}/events.json")).status == 200
    missing = await client.get("/jobs/4700_12.json")
    assert missing.status == 404
    assert msgspec.json.decode(await missing.read())["message"] == "The hub knows no job 4700_12"


async def test_a_program_gets_its_errors_as_json(client: Client) -> None:
    answer = await client.get("/jobs/99.json")
    document = msgspec.json.decode(await answer.read())
    assert (answer.status, document["reason"]) == (404, "no-such-job")
    assert document["message"] == "The hub knows no job 99"
    assert document["advice"]


async def test_a_fault_of_ours_shows_no_trace(
    served: tuple[Client, FixedHistory], caplog: pytest.LogCaptureFixture
) -> None:
    client, history = served
    history.facts = None  # type: ignore[assignment]
    answer = await client.get("/jobs/4711")
    assert answer.status == 500
    text = await answer.text()
    assert "Traceback" not in text
    assert "NoneType" not in text
    assert "a page could not be made" in caplog.text


async def test_every_answer_carries_the_policy(client: Client) -> None:
    for path in ("/jobs", "/jobs/4711", "/jobs/4711.json", "/jobs/99", "/status.json"):
        headers = (await client.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_events_are_handed_to_ingest_as_they_came(client: Client) -> None:
    answer = await client.post("/api/v1/events", data=b"{}\n{}\n", headers={"X-Slurmlens-Node": "c1"})
    assert await answer.json() == {"bytes": 6, "node": "c1", "peer": "127.0.0.1"}


async def test_a_hub_that_is_busy_says_when_to_come_back() -> None:
    async def busy(body: bytes, headers: Mapping[str, str], peer: str | None) -> tuple[int, bytes]:
        return 503, b'{"reason":"busy"}'

    app, _ = make_gallery_app(take_events=busy)
    async with TestClient(TestServer(app)) as asked:
        answer = await asked.post("/api/v1/events", data=b"{}\n")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_too_much_at_once_is_refused_as_json(client: Client) -> None:
    answer = await client.post("/api/v1/events", data=io.BytesIO(b"x" * (8 * 1024 * 1024 + 1)))
    assert answer.status == 413
    assert (await answer.json())["advice"] == "Send less at once."


async def test_pages_cannot_be_written_to(client: Client) -> None:
    answer = await client.post("/jobs/4711", data=b"x")
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]


async def test_all_events_of_a_job_are_one_json_list(client: Client) -> None:
    answer = await client.get("/jobs/4711/events.json")
    assert [document["event"]["id"] for document in await answer.json()] == ["p-c1", "e-c1"]


async def test_static_files_may_be_kept_for_ever_under_their_own_version_only(client: Client) -> None:
    page = await (await client.get("/jobs")).text()
    match = re.search(r"/static/\w+/style\.css", page)
    assert match
    answer = await client.get(match[0])
    assert answer.status == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    stale = await client.get("/static/0123456789ab/style.css")
    assert stale.headers["Cache-Control"] == "no-cache"


async def test_a_finished_list_names_its_pending_reason_and_shows_no_empty_bars(client: Client) -> None:
    text = await (await client.get("/jobs")).text()
    assert "not enough of what it asks for is free yet (Resources)" in text
    assert "FAILED 42:0" in text


async def test_an_empty_list_says_why_and_what_to_do(served: tuple[Client, FixedHistory]) -> None:
    client, history = served
    history.facts = {}
    assert "No jobs yet." in await (await client.get("/jobs")).text()
    assert "No job fits these filters." in await (await client.get("/jobs?user=nobody")).text()
