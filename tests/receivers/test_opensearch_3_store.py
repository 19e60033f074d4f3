"""Lines in a real OpenSearch 3: what every store promises, by the code that speaks to OpenSearch 2."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from deploy.components.opensearch_3 import OpenSearch3

from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from slurmlens.hub.logs.store import LogStore
from testkit.components import private
from testkit.log_store_promises import LogStorePromises
from testkit.search_servers import ask, new_store

pytestmark = pytest.mark.slow
"""A minute, and a Java of its own to fetch. OpenSearch 2 keeps the same promises in `make test`."""


@pytest.fixture(scope="module")
def opensearch() -> Iterator[OpenSearch3]:
    with private(OpenSearch3) as server:
        yield server


@pytest.fixture
async def store(opensearch: OpenSearch3) -> AsyncIterator[OpenSearchStore]:
    async with new_store(opensearch) as made:
        yield made


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
