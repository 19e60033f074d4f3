"""Lines in a real OpenSearch: what every store promises, and what belongs to a server that may be away or not ours."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from deploy.component import start_and_wait
from deploy.components.opensearch import OpenSearch

from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from slurmlens.hub.logs.query import NOBODY, LogQuery
from slurmlens.hub.logs.store import Lines, LogStore, LogStoreError
from testkit.components import private
from testkit.log_store_promises import AT_NS, KEEP_DAYS, LogStorePromises, at, line, messages
from testkit.manual_clock import ManualClock

KILL_LINES = 8_000


async def ask(server: OpenSearch, method: str, path: str, body: Any = None) -> Any:
    """What an independent client is answered."""
    async with ClientSession() as session, session.request(method, server.url + path, json=body) as answer:
        return await answer.json()


async def refresh(server: OpenSearch) -> None:
    await ask(server, "POST", "/_refresh")


def new_prefix() -> str:
    return f"slurmlens-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def store(opensearch: OpenSearch) -> AsyncIterator[OpenSearchStore]:
    prefix = new_prefix()
    made = OpenSearchStore(SearchServerConfig(url=opensearch.url, index=prefix), KEEP_DAYS, ManualClock())
    yield made
    await made.close()
    await ask(opensearch, "DELETE", f"/{prefix}-*")
    await ask(opensearch, "DELETE", f"/_index_template/{prefix}")


class TestOpenSearch(LogStorePromises):
    @pytest.fixture(autouse=True)
    def _know_the_server(self, opensearch: OpenSearch) -> None:
        self.server = opensearch

    async def settle(self, store: LogStore) -> None:
        await refresh(self.server)


async def test_an_index_of_our_name_that_somebody_else_made_is_left_alone(
    opensearch: OpenSearch, store: OpenSearchStore
) -> None:
    await ask(opensearch, "PUT", f"/{store.index_of(AT_NS)}", {"mappings": {"properties": {"x": {"type": "text"}}}})
    with pytest.raises(LogStoreError, match="is somebody else's"):
        await store.append([(line(1), NOBODY)])
    other = at(1, AT_NS - 86_400 * 10**9)
    assert (await store.append([(other, NOBODY)])).new


async def test_a_read_only_index_says_so_and_takes_lines_again_when_it_is_none(
    opensearch: OpenSearch, store: OpenSearchStore
) -> None:
    await store.append([(line(1), NOBODY)])
    settings = f"/{store.index_of(AT_NS)}/_settings"
    await ask(opensearch, "PUT", settings, {"index.blocks.read_only_allow_delete": True})
    with pytest.raises(LogStoreError, match="read-only: as a rule the server's disk is above"):
        await store.append([(line(1), NOBODY), (line(2), NOBODY)])
    health = await store.health()
    assert health.problem is not None
    assert "read-only: free disk" in health.problem
    await ask(opensearch, "PUT", settings, {"index.blocks.read_only_allow_delete": None})
    assert [stored.line.id for stored in (await store.append([(line(1), NOBODY), (line(2), NOBODY)])).new] == ["l2"]
    health = await store.health()
    assert (health.problem, len(health.watermarks), health.nodes[0].rejected) == (None, 3, 0)


async def test_a_line_that_the_mapping_refuses_costs_itself(store: OpenSearchStore, opensearch: OpenSearch) -> None:
    odd = msgspec.structs.replace(line(1), pid=2**63)
    kept = await store.append([(odd, NOBODY), (line(2), NOBODY)])
    assert [stored.line.id for stored in kept.new] == ["l2"]
    assert list(kept.refused) == ["l1"]
    assert "does not fit the index's mapping" in kept.refused["l1"]


async def test_a_line_with_a_very_long_name_of_its_own_costs_nothing(
    store: OpenSearchStore, opensearch: OpenSearch
) -> None:
    long = msgspec.structs.replace(line(1), id="…" * 255)
    assert len((await store.append([(long, NOBODY), (line(2), NOBODY)])).new) == 2
    assert (await store.append([(long, NOBODY)])).new == ()


async def test_our_indices_take_no_field_that_is_not_in_the_mapping(
    store: OpenSearchStore, opensearch: OpenSearch
) -> None:
    await store.append([(line(1), NOBODY)])
    answer = await ask(opensearch, "POST", f"/{store.index_of(AT_NS)}/_doc", {"surprise": 1})
    assert answer["error"]["type"] == "strict_dynamic_mapping_exception"


async def test_a_server_that_is_not_there_is_an_error_that_says_where(store: OpenSearchStore) -> None:
    away = OpenSearchStore(SearchServerConfig(url="http://127.0.0.1:9", timeout_s=5.0), KEEP_DAYS, ManualClock())
    with pytest.raises(LogStoreError, match="is not reached"):
        await away.append([(line(1), NOBODY)])
    with pytest.raises(LogStoreError, match="is not reached"):
        await away.search(EVERYBODY, LogQuery())
    health = await away.health()
    assert (health.state, "is not reached" in (health.problem or "")) == ("away", True)
    await away.close()


async def test_nothing_is_found_where_nothing_was_kept(store: OpenSearchStore) -> None:
    assert await messages(store) == []
    assert await store.histogram(EVERYBODY, LogQuery(), AT_NS, 60 * 10**9) == []
    assert await store.forget_old() == []


@pytest.mark.slow  # two starts of a server
async def test_a_server_killed_in_the_middle_of_its_bulks_loses_and_doubles_nothing() -> None:
    lines = [(at(n, AT_NS + n * 10**6), NOBODY) for n in range(KILL_LINES)]
    with private(OpenSearch) as server:
        store = OpenSearchStore(SearchServerConfig(url=server.url, timeout_s=60.0), KEEP_DAYS, ManualClock())
        safe: set[str] = set()
        interruptions: list[LogStoreError] = []

        async def send(some: Lines) -> None:
            while True:
                try:
                    safe.update(stored.line.id for stored in (await store.append(some)).new)
                    return
                except LogStoreError as error:
                    interruptions.append(error)
                    safe.update(stored.line.id for stored in error.kept)
                    await asyncio.sleep(0.2)

        async def kill() -> None:
            while len(safe) < KILL_LINES // 4:
                await asyncio.sleep(0.001)
            server.kill()
            await asyncio.to_thread(start_and_wait, server)

        portions = [lines[begin : begin + 100] for begin in range(0, KILL_LINES, 100)]

        async def sender(own: Sequence[Lines]) -> None:
            for some in own:
                await send(some)

        async with asyncio.timeout(150):
            await asyncio.gather(kill(), *(sender(portions[number::4]) for number in range(4)))
        await refresh(server)
        found, place = [], None
        while True:
            page = await store.search(EVERYBODY, LogQuery(limit=1000, after=place))
            found += [stored.line.id for stored in page.lines]
            if not page.has_more:
                break
            place = page.lines[-1].place
        assert sorted(found) == sorted(one.id for one, _ in lines)
        assert safe <= set(found)
        assert interruptions, "nothing was under way when the server was killed"
        await store.close()
