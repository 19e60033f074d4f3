"""Lines in a real Elasticsearch 7.10: what every store promises, by the code that speaks to OpenSearch."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import ClientSession
from deploy.components.elasticsearch import Elasticsearch

from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from slurmlens.hub.logs.store import LogStore
from testkit.components import private
from testkit.log_store_promises import KEEP_DAYS, LogStorePromises
from testkit.manual_clock import ManualClock


@pytest.fixture(scope="module")
def elasticsearch() -> Iterator[Elasticsearch]:
    with private(Elasticsearch) as server:
        yield server


async def ask(server: Elasticsearch, method: str, path: str) -> Any:
    """What an independent client is answered."""
    async with ClientSession() as session, session.request(method, server.url + path) as answer:
        return await answer.json()


@pytest.fixture
async def store(elasticsearch: Elasticsearch) -> AsyncIterator[OpenSearchStore]:
    prefix = f"slurmlens-{uuid.uuid4().hex[:12]}"
    made = OpenSearchStore(SearchServerConfig(url=elasticsearch.url, index=prefix), KEEP_DAYS, ManualClock())
    yield made
    await made.close()
    await ask(elasticsearch, "DELETE", f"/{prefix}-*")
    await ask(elasticsearch, "DELETE", f"/_index_template/{prefix}")


class TestElasticsearch(LogStorePromises):
    @pytest.fixture(autouse=True)
    def _know_the_server(self, elasticsearch: Elasticsearch) -> None:
        self.server = elasticsearch

    async def settle(self, store: LogStore) -> None:
        await ask(self.server, "POST", "/_refresh")


async def test_how_the_server_fares_names_what_it_is(store: OpenSearchStore, elasticsearch: Elasticsearch) -> None:
    health = await store.health()
    assert (health.kind, health.version, health.state) == ("Elasticsearch", "7.10.2", "green")
    assert (await ask(elasticsearch, "GET", "/"))["version"]["number"] == "7.10.2"
