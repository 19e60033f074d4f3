"""Logging in with a browser, out of it again, and what no login gets past."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from slurmlens.errors import RefusedError
from slurmlens.hub.access.authenticating import ReaderRequest
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.looks import LookFilter, What, kinds_of_looks
from slurmlens.hub.access.rules import KEPT_S
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.database.retention import Retention
from slurmlens.hub.web import live_stream
from slurmlens.hub.web.session import COOKIE
from slurmlens.slurm.records import JobState
from testkit.hub_history import record
from testkit.ruled_hub import RuledHub, browser, ruled_hub

AUDITOR = Viewer("ada", frozenset({Role.USER, Role.AUDITOR}))


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RuledHub]:
    async with ruled_hub(tmp_path) as served:
        yield served


async def test_a_link_logs_in_once_and_looking_ahead_does_not_use_it_up(hub: RuledHub) -> None:
    link = f"{hub.url}/login/{await hub.ruled.tokens.make_link('alice')}"
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as client:
        assert (await client.head(link)).status == 200
        answer = await client.get(link, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        who = await (await client.get(f"{hub.url}/whoami.json")).json()
        assert who == {
            "who": "alice",
            "roles": ["user"],
            "accounts": ["physics"],
            "sees_all_jobs": False,
            "way": "session",
        }
        assert "You are alice" in await (await client.get(f"{hub.url}/login")).text()
        left = await client.post(f"{hub.url}/logout", allow_redirects=False)
        assert left.status == 303
        assert (await client.get(f"{hub.url}/jobs.json")).status == 401
    async with browser(hub) as another:
        assert (await another.get(link)).status == 403


async def test_a_cookie_that_is_kept_after_logging_out_is_worth_nothing(hub: RuledHub) -> None:
    cookies = await hub.cookies("alice")
    async with browser(hub) as client:
        await client.post("/logout", cookies=cookies, allow_redirects=False)
        assert (await client.get("/jobs.json", cookies=cookies)).status == 401


async def test_an_expired_link_and_an_expired_session_log_nobody_in(hub: RuledHub) -> None:
    link, cookies = await hub.ruled.tokens.make_link("alice"), await hub.cookies("alice")
    hub.history.clock.advance(hub.ruled.settings.link_s + 1)
    async with browser(hub) as client:
        answer = await client.get(f"/login/{link}")
        assert answer.status == 403
        assert "slurmlens login" in await answer.text()
        assert (await client.get("/jobs.json", cookies=cookies)).status == 200
        hub.history.clock.advance(hub.ruled.settings.session_s)
        assert (await client.get("/jobs.json", cookies=cookies)).status == 401


async def test_the_cookie_of_a_role_that_was_taken_away_shows_what_is_left(hub: RuledHub) -> None:
    cookies = await hub.cookies("olga")
    async with browser(hub) as client:
        assert (await client.get("/jobs/42.json", cookies=cookies)).status == 200
        hub.users.groups.clear()
        hub.history.clock.advance(KEPT_S + 1)
        assert (await client.get("/jobs/42.json", cookies=cookies)).status == 404
        assert (await client.get("/status.json", cookies=cookies)).status == 403


async def test_a_forged_header_is_refused_and_counted(hub: RuledHub) -> None:
    cookies = await hub.cookies("alice")
    async with browser(hub) as client:
        for headers in ({"X-Forwarded-User": "olga"}, {"X_Forwarded_User": "olga"}):
            answer = await client.get("/jobs/42.json", headers=headers, cookies=cookies)
            assert (answer.status, (await answer.json())["reason"]) == (403, "forged")
    counted = {name: value for name, value in hub.counters.snapshot().items() if "refused" in name}
    assert list(counted.values()) == [2], counted


async def test_who_is_not_known_is_told_how_to_become_so(hub: RuledHub) -> None:
    async with browser(hub) as client:
        page, data = await client.get("/jobs"), await client.get("/jobs.json")
        assert (page.status, page.headers["WWW-Authenticate"]) == (401, "MUNGE")
        assert "slurmlens login" in await page.text()
        assert (await data.json())["reason"] == "no_credential"
        assert "slurmlens login" in await (await client.get("/login")).text()
        assert (await client.get("/nothing")).status == 401


async def test_a_page_of_another_site_logs_nobody_out(hub: RuledHub) -> None:
    cookies = await hub.cookies("alice")
    async with browser(hub) as client:
        headers = {"Origin": "https://evil.example"}
        assert (await client.post("/logout", headers=headers, cookies=cookies)).status == 403
        assert (await client.get("/jobs.json", cookies=cookies)).status == 200


async def test_names_with_quotes_are_names(hub: RuledHub) -> None:
    cookies = await hub.cookies("o'x\"")
    async with browser(hub) as client:
        rows = (await (await client.get("/jobs.json", cookies=cookies)).json())["rows"]
        assert [row["job_id"] for row in rows] == [45]
        page = await (await client.get("/login", cookies=cookies)).text()
        assert "You are o&#39;x&#34;" in page
        assert "bi&#39;o&#34;" in page
        assert (await client.get("/looks?who=o'x\"&owner=' OR 1=1 --", cookies=cookies)).status == 200


async def test_an_open_live_page_ends_when_its_viewer_logs_out(hub: RuledHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "RECHECK_S", 0.0)
    monkeypatch.setattr(live_stream, "IDLE_S", 0.05)
    await hub.history.learn(record(JobState.RUNNING, job_id=60))
    cookies = await hub.cookies("alice")
    async with browser(hub) as client, client.get("/jobs/60/live", cookies=cookies) as answer:
        await answer.content.readuntil(b"\r\n\r\n")
        await client.post("/logout", cookies=cookies, allow_redirects=False)
        async with asyncio.timeout(20):
            rest = await answer.content.read()
        assert b"event: ended" not in rest
        assert (await client.get("/jobs/60/live", cookies=cookies)).status == 401


async def test_the_log_of_looks_is_the_auditors_and_of_each_what_is_his_affair(hub: RuledHub) -> None:
    async with browser(hub) as client:
        for path in ("/jobs/42", "/jobs/41.json", "/users/alice"):
            await client.get(path, cookies=await hub.cookies("olga"))
        await hub.ruled.looks.write()
        seen = {}
        for name in ("ada", "alice", "bob", "carl", "olga"):
            answer = await client.get("/looks.json", cookies=await hub.cookies(name))
            seen[name] = [(row["who"], row["what"], row["job_id"]) for row in (await answer.json())["rows"]]
        table = await (await client.get("/looks.csv?owner=bob", cookies=await hub.cookies("ada"))).text()
        page = await (await client.get("/looks?limit=1", cookies=await hub.cookies("ada"))).text()
        assert (await client.get("/looks?limit=x", cookies=await hub.cookies("ada"))).status == 400
    one, two, three = ("olga", "page", 42), ("olga", "data", 41), ("olga", "list", None)
    assert seen == {"ada": [three, two, one], "alice": [two], "bob": [one], "carl": [], "olga": [three, two, one]}
    assert re.search(r"olga,bob,42,1,page,,\r\n$", table)
    assert "Earlier ones" in page


async def test_the_same_look_is_kept_once_a_minute_and_forgotten_after_its_time(hub: RuledHub) -> None:
    looks = hub.ruled.looks
    olga = Viewer("olga", frozenset({Role.USER, Role.OPERATOR}), sees_all_jobs=True)
    for _ in range(3):
        looks.saw_job(olga, What.PAGE, 42, 1, "bob")
        await looks.write()
    hub.history.clock.advance(61)
    looks.saw_job(olga, What.PAGE, 42, 1, "bob")
    looks.saw_job(EVERYBODY, What.PAGE, 42, 1, "bob")
    await looks.write()
    assert len(await looks.looks(AUDITOR, LookFilter())) == 2
    hub.history.clock.advance(hub.ruled.settings.looks_kept_days * 86_400 - 30)
    retention = Retention(hub.history.store, kinds_of_looks(hub.ruled.settings.looks_kept_days), hub.history.clock)
    while await retention.turn():
        pass
    assert len(await looks.looks(AUDITOR, LookFilter())) == 1


async def test_without_rules_other_machines_are_shown_nothing() -> None:
    control = AccessControl()
    for address in ("127.0.0.1", "127.8.8.8", "::1", None):
        request = ReaderRequest(method="GET", target="/jobs", headers=(), address=address)
        assert (await control.admit(request)).viewer == EVERYBODY
    for address in ("10.0.0.1", "fe80::1%eth0", "8.8.8.8"):
        request = ReaderRequest(method="GET", target="/jobs", headers=(), address=address)
        with pytest.raises(RefusedError, match=r"\[access\]"):
            await control.admit(request)
