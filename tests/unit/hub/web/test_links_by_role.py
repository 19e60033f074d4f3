"""Whoever looks is given no link to a page that he may not see, and finds at `/` the page that is for him."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from testkit.ruled_hub import RuledHub, ruled_hub

PAGES = ("/cluster", "/findings", "/login", "/jobs", "/nodes", "/reports")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RuledHub]:
    async with ruled_hub(tmp_path) as served:
        yield served


@pytest.fixture
async def browser() -> AsyncIterator[ClientSession]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as opened:
        yield opened


async def logged_in(hub: RuledHub, browser: ClientSession, person: str) -> str:
    """Where the login led."""
    async with browser.get(f"{hub.url}/login/{await hub.ruled.tokens.make_link(person)}") as answer:
        return answer.url.path


@pytest.mark.thorough
@pytest.mark.parametrize("person", ["alice", "carol", "olga", "max", "ada"])
async def test_no_page_links_to_one_that_is_forbidden(hub: RuledHub, browser: ClientSession, person: str) -> None:
    await logged_in(hub, browser, person)
    found: set[str] = set()
    for page in PAGES:
        async with browser.get(hub.url + page) as answer:
            if answer.status == 200:
                found.update(re.findall(r'href="(/[^"?#]*)', await answer.text()))
    assert "/cluster" in found
    for address in sorted(found):
        async with browser.get(hub.url + address) as answer:
            assert answer.status not in (401, 403), address


async def test_a_package_is_asked_for_by_name_and_the_nodes_lead_to_what_is_installed(
    hub: RuledHub, browser: ClientSession
) -> None:
    await logged_in(hub, browser, "alice")
    async with browser.get(f"{hub.url}/nodes") as answer:
        assert 'href="/software"' in await answer.text()
    async with browser.get(f"{hub.url}/software?name=open+mpi/4") as answer:
        assert (answer.status, answer.url.raw_path) == (200, "/software/open%20mpi%2F4")


async def test_a_host_that_is_no_node_leads_to_its_own_lines(hub: RuledHub, browser: ClientSession) -> None:
    await logged_in(hub, browser, "olga")
    async with browser.get(f"{hub.url}/logs?since=3650d") as answer:
        assert re.search(r'<td><a href="/logs\?node=[^"]+"><bdi>', await answer.text())


async def test_an_address_that_settings_leave_out_says_so(hub: RuledHub, browser: ClientSession) -> None:
    await logged_in(hub, browser, "olga")
    async with browser.get(f"{hub.url}/nowhere") as answer:
        assert answer.status == 404
        assert "settings leave it out" in (await answer.text()).replace("&#39;", "'")


@pytest.mark.parametrize(
    ("person", "first"), [("alice", "/me"), ("olga", "/cluster"), ("max", "/management"), ("ada", "/jobs")]
)
async def test_each_finds_first_what_is_for_him(hub: RuledHub, browser: ClientSession, person: str, first: str) -> None:
    assert await logged_in(hub, browser, person) == first
