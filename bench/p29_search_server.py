"""P29 asked of a real OpenSearch on this machine: a million log lines, the questions of `p29_log_search`."""

from __future__ import annotations

import asyncio

from bench.p28_log_ingest import search_server
from bench.p29_log_search import asked, rows
from bench.result import Result
from bench.setting import Setting
from slurmlens.clock import SystemClock
from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.logs.opensearch_store import OpenSearchStore

ROWS = rows("OpenSearch")


def measure(setting: Setting) -> list[Result]:
    with search_server() as server:
        settings = SearchServerConfig(url=server.url)
        few = setting.choose(1_000_000, 50_000)
        return asyncio.run(asked(lambda: OpenSearchStore(settings, 3, SystemClock()), few, ROWS))
