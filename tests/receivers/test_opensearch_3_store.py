"""Lines in a real OpenSearch 3: what every store promises, by the code that speaks to OpenSearch 2."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import ClientSession
from deploy.components.opensearch_3 import OpenSearch3

from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from slurmlens.hub.logs.store import LogStore
from testkit.components import private
from testkit.log_store_promises import KEEP_DAYS, LogStorePromises
from testkit.manual_clock import ManualClock

pytestmark = pytest.mark.slow
"""A minute, and a Java of its own to fetch. OpenSearch 2 keeps the same promises in `make test`."""


@pytest.fixture(scope="module")
def opensearch() -> Iterator[OpenSearch3]:
    with private(OpenSearch3) as server:
        yield server


async def ask(server: OpenSearch3, method: str, path: str) -> Any:
    """What an independent client is answered."""
    async with ClientSession() as session, session.request(method, server.url + path) as answer:
        return await answer.json()


@pytest.fixture
async def store(opensearch: OpenSearch3) -> AsyncIterator[OpenSearchStore]:
    prefix = f"slurmlens-{uuid.uuid4().hex[:12]}"
    made = OpenSearchStore(SearchServerConfig(url=opensearch.url, index=prefix), KEEP_DAYS, ManualClock())
    yield made
    await made.close()
    await ask(opensearch, "DELETE", f"/{prefix}-*")
    await ask(opensearch, "DELETE", f"/_index_template/{prefix}")


class TestOpenSearch3(LogStorePromises):
    @pytest.fixture(autouse=True)
    def _know_the_server(self, opensearch: OpenSearch3) -> None:
        self.server = opensearch

    async def settle(self, store: LogStore) -> None:
        await ask(self.server, "POST", "/_refresh")


async def test_how_the_server_fares_names_what_it_is(store: OpenSearchStore, opensearch: OpenSearch3) -> None:
    health = await store.health()
    assert (health.kind, health.version, health.state) == ("OpenSearch", "3.8.0", "green")
    assert (await ask(opensearch, "GET", "/"))["version"]["number"] == "3.8.0"
