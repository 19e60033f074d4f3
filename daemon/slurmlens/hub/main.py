"""The program `slurmlens-hub`: settings, log, signals, systemd; the work is `pipeline`'s.

Owns the process. Exit status 0 after an ordered stop, 2 for settings that cannot be used, 3 where it ended by itself.
SIGTERM and SIGINT stop it in order: live pages end, requests in flight are answered, the database is closed. SIGHUP
applies new settings.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from slurmlens import __version__
from slurmlens.clock import Clock, SystemClock
from slurmlens.config.hub import HubConfig
from slurmlens.config.load import HUB_PATH, examine, load_hub, located
from slurmlens.errors import ConfigError
from slurmlens.hub.database.database_file import DatabaseBegin, DatabaseFile, held
from slurmlens.hub.pipeline import HubPipeline
from slurmlens.hub.preflight import hub_problems
from slurmlens.hub.web.malformed_requests import MalformedRequests
from slurmlens.runtime import signals
from slurmlens.runtime.clock_check import report_a_wrong_clock
from slurmlens.runtime.file_systems import Durability
from slurmlens.runtime.loop_watch import watch_of_running_loop, watched_loop
from slurmlens.runtime.reload import BEGINS_ANEW, SettingsReload, begin_anew
from slurmlens.runtime.sd_notify import Notifier
from slurmlens.runtime.service import EXIT_ENDED, EndedByItself, live
from slurmlens.telemetry import log
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import InternalEvent, Reporter

EXIT_CONFIG = 2
COLLECTOR_THRESHOLDS = (50_000, 20, 1_000)
STARTED = InternalEvent(
    "hub_started", logging.INFO, "slurmlens-hub {version} keeps {cluster} on {scheme}://{host}:{port}/jobs"
)
ENDED = InternalEvent("hub_ended", logging.ERROR, "the hub ended although nobody asked it to: {error}")
DATABASE_WILL_NOT_LAST = InternalEvent(
    "hub_database_will_not_last", logging.WARNING, "{path} is on {file_system}: the history may not outlive a reboot"
)
DATABASE_OF_BEFORE_GONE = InternalEvent(
    "hub_database_of_before_gone", logging.WARNING, "{path} is not the file that the last hub had: {begin}"
)
STOPPED = InternalEvent("hub_stopped", logging.INFO, "slurmlens-hub ended")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the hub until it is told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="slurmlens-hub", description="Keeps and shows the jobs of one cluster.")
    parser.add_argument("--config", type=Path, default=HUB_PATH, metavar="FILE", help="settings (default: %(default)s)")
    parser.add_argument("--version", action="version", version=__version__)
    options = parser.parse_args(arguments)
    try:
        config = load_hub(options.config)
        if problems := located(hub_problems(config), options.config):
            for problem in problems:
                print(f"slurmlens-hub: {problem}", file=sys.stderr)  # noqa: T201  # for the person who starts it
            return EXIT_CONFIG
        log.configure(config.log.level, config.log.format, "slurmlens-hub")
        with held(config.database.url) as database, asyncio.Runner(loop_factory=watched_loop) as runner:
            status = runner.run(serve(config, SystemClock(), database, options.config))
    except ConfigError as error:
        print(f"slurmlens-hub: {error}", file=sys.stderr)  # noqa: T201  # for the person who starts it
        return EXIT_CONFIG
    return begin_anew() if status == BEGINS_ANEW else status


async def serve(config: HubConfig, clock: Clock, database: DatabaseFile | None = None, path: Path = HUB_PATH) -> int:
    """The hub in a running loop, until a signal; returns the exit status, or BEGINS_ANEW. ConfigError where a setting
    can't be used.

    It ends by itself where its `database` is taken away below it: what it acknowledged then would be lost.
    """
    reporter = Reporter(Counters(), clock)
    MalformedRequests(reporter).install()
    notifier = Notifier()
    with signals.handling(SettingsReload(lambda: _examined(path), reporter, clock)) as stop:
        pipeline = await HubPipeline.open(config, clock, reporter, database)
        host, port, scheme = config.listen.host, pipeline.port, "https" if config.listen.is_tls else "http"
        reporter.report(STARTED, version=__version__, cluster=config.cluster, scheme=scheme, host=host, port=port)
        report_a_wrong_clock(clock, reporter)
        _report_the_database(database, reporter)
        tame_the_collector()
        if (watch := watch_of_running_loop()) is not None:
            watch.forget()
        try:
            await live(_work(pipeline, database), stop, notifier, f"answering on {host}:{port}")
        except EndedByItself as end:
            reporter.report(ENDED, cause=end.cause, error=end.cause)
            return EXIT_ENDED
        finally:
            await pipeline.stop()
    if stop.begins_anew:
        return BEGINS_ANEW
    reporter.report(STOPPED)
    return 0


def _examined(path: Path) -> list[ConfigError]:
    """What is wrong with the settings that are there now; this hub's own port and database are not."""
    config, errors = examine(HubConfig, path)
    return errors or located(hub_problems(config), path)


def _report_the_database(database: DatabaseFile | None, reporter: Reporter) -> None:
    """Says at the start what the status page will say as well."""
    if database is None:
        return
    state = database.state()
    if state.durability is not Durability.LASTING:
        reporter.report(DATABASE_WILL_NOT_LAST, path=state.path, file_system=state.file_system)
    if state.begin in (DatabaseBegin.MISSING, DatabaseBegin.REPLACED):
        reporter.report(DATABASE_OF_BEFORE_GONE, path=state.path, begin=state.begin.value)


def tame_the_collector() -> None:
    """Takes what is there after the start out of Python's collector, and has it look at the rest seldom.

    What comes and goes with a request has no cycles. Measured with 10,000 connections: a full pass over their objects
    holds everything for 150 to 200 ms, and the collector takes up to a fifth of what storing costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


async def _work(pipeline: HubPipeline, database: DatabaseFile | None) -> None:
    """The pipeline's work, for as long as the database is there."""
    if database is None:
        await pipeline.run()
        return
    working = asyncio.ensure_future(pipeline.run())
    watching = asyncio.ensure_future(database.watch())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        for ended in (watching, working):
            if ended.done():
                ended.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(main())
