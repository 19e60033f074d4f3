"""Lines in a real Elasticsearch 7.10: what every store promises, by the code that speaks to OpenSearch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from deploy.components.elasticsearch import Elasticsearch

from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from slurmlens.hub.logs.store import LogStore
from testkit.components import private
from testkit.log_store_promises import LogStorePromises
from testkit.search_servers import ask, new_store


@pytest.fixture(scope="module")
def elasticsearch() -> Iterator[Elasticsearch]:
    with private(Elasticsearch) as server:
        yield server


@pytest.fixture
async def store(elasticsearch: Elasticsearch) -> AsyncIterator[OpenSearchStore]:
    async with new_store(elasticsearch) as made:
        yield made


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
