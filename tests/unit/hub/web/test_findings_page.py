"""Findings in a browser: what an operator says of one moves it, is shown, exported and undone; a user is shown less."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from slurmlens.hub.views.finding.terminal import render_finding, render_findings
from slurmlens.hub.views.finding.view import FindingsView, FindingView
from slurmlens.shown.terminal import Sheet
from testkit.ruled_hub import RuledHub, browser, ruled_hub

SHEET = Sheet(zone=datetime.UTC)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RuledHub]:
    async with ruled_hub(tmp_path) as served:
        yield served


async def get(hub: RuledHub, person: str, path: str) -> tuple[int, bytes]:
    async with browser(hub) as client, client.get(path, cookies=await hub.cookies(person)) as answer:
        return answer.status, await answer.read()


async def post(hub: RuledHub, person: str, path: str, origin: str | None = None, **fields: str) -> tuple[int, str]:
    headers = {"Origin": origin or hub.url}
    cookies = await hub.cookies(person)
    async with (
        browser(hub) as client,
        client.post(path, data=fields, cookies=cookies, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers.get("Location", "")


async def test_a_dismissed_finding_is_over_says_by_whom_and_can_be_opened_again(hub: RuledHub) -> None:
    assert await post(hub, "olga", "/findings/F-1/words", word="dismiss") == (303, "/findings/F-1")
    _, page = await get(hub, "olga", "/findings/F-1")
    assert b"dismissed it" in page
    assert b"olga" in page
    _, feedback = await get(hub, "olga", "/findings/feedback.csv")
    assert b",olga,dismiss," in feedback
    assert (await post(hub, "olga", "/findings/F-1/words/1/undo"))[0] == 303
    view = msgspec.json.decode((await get(hub, "olga", "/findings.json"))[1], type=FindingsView)
    assert [row.lead.state_words for row in view.rows] == ["open"]


async def test_a_silence_and_a_label_stand_on_the_page(hub: RuledHub) -> None:
    assert (await post(hub, "olga", "/findings/1/words", word="silence", hours="2"))[0] == 303
    assert (await post(hub, "olga", "/findings/1/words", word="label", label="bad riser"))[0] == 303
    view = msgspec.json.decode((await get(hub, "olga", "/api/v1/findings/F-1"))[1], type=FindingView)
    assert view.finding.state_words == "silenced"
    assert [word.words.split(" until")[0] for word in view.words] == ["labelled it 'bad riser'", "silenced it"]


async def test_a_silence_while_a_node_is_reserved_is_refused_where_it_is_not(hub: RuledHub) -> None:
    assert (await post(hub, "olga", "/findings/F-1/words", word="silence", hours="reserved"))[0] == 409
    _, body = await get(hub, "olga", "/findings/F-1.json")
    assert msgspec.json.decode(body, type=FindingView).finding.state_words == "open"


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"word": "praise"}, 400), ({"word": "silence", "hours": "x"}, 400), ({"word": "label", "label": " "}, 400)],
)
async def test_what_cannot_be_said_is_refused(hub: RuledHub, fields: dict[str, str], status: int) -> None:
    assert (await post(hub, "olga", "/findings/1/words", **fields))[0] == status


async def test_a_page_of_another_site_says_nothing_in_an_operators_name(hub: RuledHub) -> None:
    assert (await post(hub, "olga", "/findings/1/words", "http://evil.example", word="dismiss"))[0] == 403
    view = msgspec.json.decode((await get(hub, "olga", "/api/v1/findings/F-1"))[1], type=FindingView)
    assert view.words == ()


async def test_a_user_sees_what_touched_his_job_without_a_form_and_without_numbers_of_others(hub: RuledHub) -> None:
    status, page = await get(hub, "bob", "/findings/F-1")
    assert status == 200
    assert b"under suspicion" in page
    assert b"2 of 2" not in page
    assert b'<form class="filters"' not in page


async def test_a_finding_stands_on_the_pages_of_its_node_and_its_jobs(hub: RuledHub) -> None:
    for path in ("/nodes/n1", "/jobs/42"):
        _, page = await get(hub, "olga", path)
        assert b"/findings/F-1" in page, path


async def test_the_terminal_says_the_same_as_the_page(hub: RuledHub) -> None:
    listed = msgspec.json.decode((await get(hub, "olga", "/findings.json"))[1], type=FindingsView)
    text = render_findings(listed, SHEET)
    assert text.startswith("1 incident is open.")
    assert "F-1    node fails jobs, open, rank 2" in text
    one = msgspec.json.decode((await get(hub, "olga", "/findings/F-1.json"))[1], type=FindingView)
    assert "evidence 2026-" in render_finding(one, SHEET)
    assert "jobs 42" in render_finding(one, SHEET)


@pytest.mark.parametrize("query", ["state=maybe", "kind=nonsense", "limit=0"])
async def test_a_filter_that_cannot_be_used_is_named(hub: RuledHub, query: str) -> None:
    status, body = await get(hub, "olga", f"/findings.json?{query}")
    assert status == 400
    assert b"bad-filter" in body
