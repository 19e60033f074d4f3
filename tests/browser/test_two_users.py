"""alice and bob, each with a browser: neither finds the other's job, by any link, by guessing its id, or live."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from slurmlens.slurm.records import JobState
from testkit.access_people import UIDS
from testkit.hub_history import record
from testkit.ruled_hub import RuledHub, ruled_hub
from testkit.told_events import Told
from testkit.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

RUNNING = {"alice": 71, "bob": 72}
SECRET = {"alice": "name-that-alice-gave", "bob": "name-that-bob-gave"}
OTHER = {"alice": "bob", "bob": "alice"}
ENDED_OF = {"alice": 41, "bob": 42}
MOST_PAGES = 40
LogIn = Callable[[str], Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session")
async def ruled(tmp_path: Path) -> AsyncIterator[RuledHub]:
    async with ruled_hub(tmp_path) as hub:
        for user in RUNNING:
            await tell(hub, user, JobState.RUNNING)
        yield hub


@pytest_asyncio.fixture(loop_scope="session")
async def log_in(browser: Browser, ruled: RuledHub) -> AsyncIterator[LogIn]:
    contexts: list[BrowserContext] = []

    async def opened(user: str) -> Page:
        """A browser of its own, in which this user's link was opened."""
        context = await browser.new_context()
        contexts.append(context)
        page = await context.new_page()
        await page.goto(f"{ruled.url}/login/{await ruled.ruled.tokens.make_link(user)}")
        assert urlsplit(page.url).path == ("/cluster" if user == "olga" else "/me")
        return page

    yield opened
    for context in contexts:
        await context.close()


async def tell(hub: RuledHub, user: str, state: JobState) -> None:
    """The user's job runs on n1, or has failed there, by the scheduler and the node."""
    ended = state is not JobState.RUNNING
    told = record(state, job_id=RUNNING[user], start=0, end=60 if ended else None, nodes=("n1",), name=SECRET[user])
    account = "physics" if user == "alice" else "bio"
    await hub.history.learn(msgspec.structs.replace(told, user=user, user_id=UIDS[user], account=account))
    node = Told(job_id=RUNNING[user])
    await hub.history.hear(node.summary(0.2, 59.5) if ended else node.start(0.2))
    hub.live.change(RUNNING[user])


def traces(user: str) -> re.Pattern[str]:
    """What would give a job of this user away."""
    return re.compile(rf"{SECRET[user]}|/jobs/(?:{RUNNING[user]}|{ENDED_OF[user]})\b|\bjob (?:{RUNNING[user]})\b")


async def walk(page: Page, home: str) -> dict[str, str]:
    """Every page that links lead to, from the list of jobs on, and what stands in it."""
    seen: dict[str, str] = {}
    waiting = ["/jobs"]
    while waiting and len(seen) < MOST_PAGES:
        path = waiting.pop(0)
        if path in seen:
            continue
        answer = await page.request.get(home + path)
        seen[path] = await answer.text()
        if "text/html" not in answer.headers["content-type"]:
            continue
        await page.goto(home + path)
        links = await page.eval_on_selector_all(
            "a[href]", "links => links.map(link => new URL(link.getAttribute('href'), location).href)"
        )
        inner = (urldefrag(link).url for link in links if link.startswith(home + "/"))
        waiting += [link.removeprefix(home) for link in inner]
    return seen


@pytest.mark.parametrize("user", ["alice", "bob"])
async def test_no_link_leads_to_a_trace_of_the_other_s_jobs(ruled: RuledHub, log_in: LogIn, user: str) -> None:
    pages = await walk(await log_in(user), ruled.url)
    assert f"/jobs/{RUNNING[user]}" in pages
    assert SECRET[user] in pages["/jobs"]
    assert [path for path, text in pages.items() if traces(OTHER[user]).search(text)] == []


@pytest.mark.parametrize("user", ["alice", "bob"])
async def test_no_guess_of_an_id_finds_the_other_s_job(ruled: RuledHub, log_in: LogIn, user: str) -> None:
    page = await log_in(user)
    for job_id in (RUNNING[OTHER[user]], ENDED_OF[OTHER[user]]):
        for rest in (
            "",
            ".json",
            ".csv",
            "/1",
            "/1.json",
            "/1.csv",
            "/events.json",
            "/1/events.json",
            "/live",
            "/1/live",
        ):
            status = await page.evaluate("path => fetch(path).then(answer => answer.status)", f"/jobs/{job_id}{rest}")
            assert status == 404, f"/jobs/{job_id}{rest}"
        await page.goto(f"{ruled.url}/jobs?id={job_id}")
        assert await page.locator("h1").inner_text() == f"The hub knows no job {job_id}"
    for path in (f"/users/{OTHER[user]}", "/nodes/n1", f"/jobs?user={OTHER[user]}", "/jobs?state=failed&limit=1000"):
        await page.goto(ruled.url + path)
        assert not traces(OTHER[user]).search(await page.content()), path


async def test_a_live_page_says_nothing_of_the_other_s_job_and_no_stream_of_it_opens(
    ruled: RuledHub, log_in: LogIn
) -> None:
    alice, bob = await log_in("alice"), await log_in("bob")
    for page, user in ((alice, "alice"), (bob, "bob")):
        await page.goto(f"{ruled.url}/jobs/{RUNNING[user]}")
        await page.wait_for_selector('article[data-live="live"]')
    opened = await alice.evaluate(
        """path => new Promise(answer => {
            const source = new EventSource(path);
            source.onopen = () => answer("opened");
            source.onerror = () => { source.close(); answer("refused"); };
        })""",
        f"/jobs/{RUNNING['bob']}/live",
    )
    assert opened == "refused"
    await tell(ruled, "bob", JobState.FAILED)
    await bob.wait_for_selector('article[data-live="ended"]')
    await tell(ruled, "alice", JobState.FAILED)
    await alice.wait_for_selector('article[data-live="ended"]')
    assert SECRET["alice"] in await alice.content()
    assert not traces("bob").search(await alice.content())
    await alice.reload()
    assert not traces("bob").search(await alice.content())


async def test_the_operator_sees_both_and_each_is_told_who_looked(ruled: RuledHub, log_in: LogIn) -> None:
    operator = await log_in("olga")
    for user in RUNNING:
        await operator.goto(f"{ruled.url}/jobs/{RUNNING[user]}")
        assert SECRET[user] in await operator.content()
        await operator.wait_for_selector('article[data-live="live"]')
    await ruled.ruled.looks.write()
    bob = await log_in("bob")
    await bob.goto(f"{ruled.url}/looks")
    rows = await bob.locator("tbody tr").all_inner_texts()
    assert {row.split("\t")[-1] for row in rows} == {"its page", "its figures as data", "its live page"}
    assert all("olga" in row and str(RUNNING["bob"]) in row for row in rows)
    await bob.goto(f"{ruled.url}/login")
    await bob.get_by_role("button", name="Log out").click()
    await until(lambda: urlsplit(bob.url).path == "/login", "the browser is back at the login")
    assert "Nobody is logged in" in await bob.content()
    await bob.goto(f"{ruled.url}/jobs")
    assert await bob.locator("h1").inner_text() == "Nobody is logged in"
