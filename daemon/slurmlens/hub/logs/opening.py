"""The lines of one hub, put together: store, tail, keeper and series, as settings say.

Owns the choice of the store. Made by `pipeline` where `[logs]` is enabled and has a place; `stages` are what its
supervisor is to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from slurmlens.clock import Clock
from slurmlens.config.database_url import sqlite_path
from slurmlens.config.hub import HubConfig
from slurmlens.hub.database.store import Store
from slurmlens.hub.logs.enriching import Enricher
from slurmlens.hub.logs.keeping import Hear, LogKeeper
from slurmlens.hub.logs.rules import read_rules
from slurmlens.hub.logs.series import LogSeries
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.logs.store import LogSource, LogStore
from slurmlens.hub.logs.tail import LogTail
from slurmlens.hub.news import News
from slurmlens.runtime.supervisor import Stage
from slurmlens.telemetry.internal import Reporter


@dataclass(frozen=True)
class HubLogs:
    """What the rest of the hub is given. `keeper` is None where the hub only reads what somebody else writes."""

    source: LogSource
    tail: LogTail
    enricher: Enricher
    keeper: LogKeeper | None
    series: LogSeries | None = None

    def stages(self) -> Iterator[tuple[str, Stage]]:
        """What a supervisor is to run, by name."""
        if self.keeper is not None:
            yield "lines' jobs", self.keeper.run_completing
            yield "lines' age", self.keeper.run_forgetting
        if self.series is not None:
            yield "series of lines", self.series.run

    async def close(self) -> None:
        """Ends the store, when nobody asks any more."""
        await self.source.close()


def open_logs(
    config: HubConfig,
    history: Store,
    news: News,
    clock: Clock,
    reporter: Reporter,
    write_points: Callable[[bytes, int], None] | None = None,
) -> HubLogs | None:
    """The lines as settings say; None where they are off, or have no place. `write_points` takes carbon's lines."""
    settings = config.logs
    if not settings.enabled:
        return None
    tail, enricher = LogTail(), Enricher(history, config.cluster, news)
    if settings.store == "opensearch" and settings.opensearch.read_only:
        from slurmlens.hub.logs.logstash_index import LogstashIndex

        return HubLogs(LogstashIndex(settings.opensearch, clock), tail, enricher, None)
    store = _store(config, clock)
    if store is None:
        return None
    series: LogSeries | None = None
    hear: list[Hear] = [tail.publish]
    if config.log_series is not None and write_points is not None:
        rules, late_s = read_rules(config.log_series.rules), config.log_series.late_s
        series = LogSeries(rules, late_s, config.cluster, write_points, store, clock, reporter)
        hear.append(series.hear)
    keeper = LogKeeper(store, enricher, hear, news, clock, reporter)
    return HubLogs(store, tail, enricher, keeper, series)


def _store(config: HubConfig, clock: Clock) -> LogStore | None:
    """SQLite's folder is beside the database's file unless a setting says where."""
    settings, database = config.logs, sqlite_path(config.database.url)
    if settings.store == "opensearch":
        from slurmlens.hub.logs.opensearch_store import OpenSearchStore

        return OpenSearchStore(settings.opensearch, settings.keep_days, clock)
    folder = settings.path or (None if database is None else database.parent / "logs")
    return None if folder is None else SqliteLogStore(folder, settings.keep_days, clock)
