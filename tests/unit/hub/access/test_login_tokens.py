"""Links are good once and for a while, sessions for a while, and the database knows neither."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from slurmlens.config.access import AccessConfig
from slurmlens.hub.access.tables import login_tokens
from slurmlens.hub.access.tokens import LoginTokens
from testkit.hub_history import History


@pytest.fixture
def tokens(history: History) -> LoginTokens:
    return LoginTokens(history.store, AccessConfig(link_s=60, session_s=600), history.clock)


async def test_a_link_makes_one_session_of_its_user(tokens: LoginTokens) -> None:
    link = await tokens.make_link("o'x\"")
    session = await tokens.use_link(link)
    assert session is not None
    assert await tokens.user_of_session(session) == "o'x\""
    assert await tokens.use_link(link) is None
    assert await tokens.user_of_session(link) is None
    assert await tokens.use_link(session) is None
    assert await tokens.user_of_session(session) == "o'x\""


async def test_of_many_that_use_a_link_at_once_one_gets_a_session(tokens: LoginTokens) -> None:
    link = await tokens.make_link("alice")
    made = await asyncio.gather(*(tokens.use_link(link) for _ in range(8)))
    assert sum(one is not None for one in made) == 1


async def test_a_link_and_a_session_end_by_themselves(tokens: LoginTokens, history: History) -> None:
    late, early = await tokens.make_link("alice"), await tokens.make_link("alice")
    session = await tokens.use_link(early)
    assert session is not None
    history.clock.advance(61)
    assert await tokens.use_link(late) is None
    assert await tokens.user_of_session(session) == "alice"
    history.clock.advance(600)
    assert await tokens.user_of_session(session) is None


async def test_whoever_logs_out_is_out(tokens: LoginTokens) -> None:
    session = await tokens.use_link(await tokens.make_link("alice"))
    assert session is not None
    await tokens.end_session(session)
    assert await tokens.user_of_session(session) is None


@pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "\udcff", "' OR 1=1 --"])
async def test_what_is_no_token_is_nobody_s(tokens: LoginTokens, token: str) -> None:
    await tokens.make_link("alice")
    assert await tokens.use_link(token) is None
    assert await tokens.user_of_session(token) is None


async def test_the_database_holds_no_token_that_could_be_used(tokens: LoginTokens, history: History) -> None:
    link = await tokens.make_link("alice")
    [row] = await history.store.read(lambda connection: connection.execute(select(login_tokens)).fetchall())
    assert link.encode() not in row.digest
    assert link not in map(str, row)
