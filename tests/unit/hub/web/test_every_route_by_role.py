"""Every route of the hub, walked as every role, against the one table of who is answered what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from slurmlens.hub.access.looks import LookFilter
from slurmlens.hub.access.viewer import Role, Viewer
from testkit.role_table import NOBODY, PEOPLE, ROWS
from testkit.ruled_hub import RuledHub, browser, ruled_hub

AUDITOR = Viewer("ada", frozenset({Role.USER, Role.AUDITOR}))
MARKS_OF_42 = ("job 42", "/jobs/42", '"job_id":42,', "\n42,", "n1-42-", "· 42")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RuledHub]:
    async with ruled_hub(tmp_path) as served:
        yield served


async def ask(client: ClientSession, path: str, method: str, cookies: dict[str, str]) -> tuple[int, str]:
    """Status and body; of a stream that stays open what comes first."""
    async with client.request(method, path, cookies=cookies, allow_redirects=False) as answer:
        is_stream = answer.content_type == "text/event-stream"
        body = await (answer.content.readuntil(b"\r\n\r\n") if is_stream else answer.read())
        return answer.status, body.decode()


@pytest.mark.thorough
@pytest.mark.parametrize("person", PEOPLE)
async def test_what_each_role_is_answered_is_what_the_table_says(hub: RuledHub, person: str) -> None:
    wrong = []
    async with browser(hub) as client:
        for path, row in ROWS.items():
            cookies = {} if person == NOBODY else await hub.cookies(person)
            status, body = await ask(client, row.example, row.method, cookies)
            expected = row.statuses[PEOPLE.index(person)]
            if status != expected:
                wrong.append(f"{path}: {status} instead of {expected}")
            shows = status == 200 and any(mark in body for mark in MARKS_OF_42)
            if shows != (person in row.shows_42):
                wrong.append(f"{path}: {'shows' if shows else 'lacks'} job 42")
    assert wrong == []


async def test_a_job_that_may_not_be_seen_and_one_that_is_not_there_are_answered_alike(hub: RuledHub) -> None:
    cookies = await hub.cookies("alice")
    async with browser(hub) as client:
        for path, row in ROWS.items():
            if "{job_id}" not in path:
                continue
            other = row.example.replace("/42", "/4242", 1)
            (status, body), (absent, text) = [await ask(client, one, "GET", cookies) for one in (row.example, other)]
            assert status == absent == 404
            assert body.replace("42", "N") == text.replace("4242", "N").replace("42", "N")


@pytest.mark.thorough
async def test_of_an_operators_look_at_anothers_job_is_kept_what_the_table_says(hub: RuledHub) -> None:
    last = 0
    async with browser(hub) as client:
        for path, row in ROWS.items():
            hub.history.clock.advance(61)
            cookies = await hub.cookies("olga")
            await ask(client, row.example, row.method, cookies)
            await hub.ruled.looks.write()
            newest = await hub.ruled.looks.looks(AUDITOR, LookFilter(limit=3))
            kept = [look.what.value for look in newest if look.id > last]
            assert kept == ([] if row.look is None else [row.look]), path
            last = max((look.id for look in newest), default=0)


@pytest.mark.thorough
async def test_looks_at_ones_own_are_not_kept(hub: RuledHub) -> None:
    async with browser(hub) as client:
        for row in ROWS.values():
            await ask(client, row.example, row.method, await hub.cookies("bob"))
    await hub.ruled.looks.write()
    kept = await hub.ruled.looks.looks(AUDITOR, LookFilter(job_id=42))
    assert kept == []
