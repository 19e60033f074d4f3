"""The program `slurmlens-relay`: settings, log, signals, systemd; the work is `pipeline`'s.

Owns the process. Exit status 0 after an ordered stop, 2 for settings that cannot be used, 3 where it ended by itself, 4
where another relay runs with the same folder already. SIGTERM and SIGINT stop it in order; a second one at once. SIGHUP
applies new settings.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from slurmlens import __version__
from slurmlens.clock import Clock, SystemClock
from slurmlens.config.load import RELAY_PATH, examine, load_relay, located
from slurmlens.config.relay import RelayConfig
from slurmlens.errors import ConfigError
from slurmlens.relay.pipeline import RelayPipeline
from slurmlens.runtime import process, signals
from slurmlens.runtime.clock_check import report_a_wrong_clock
from slurmlens.runtime.listen_check import listening_problems
from slurmlens.runtime.reload import BEGINS_ANEW, SettingsReload, begin_anew
from slurmlens.runtime.sd_notify import Notifier
from slurmlens.runtime.service import EXIT_ENDED, EndedByItself, live
from slurmlens.telemetry import log
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import InternalEvent, Reporter

EXIT_RUNNING = 4
EXIT_CONFIG = 2
STARTED = InternalEvent(
    "relay_started", logging.INFO, "slurmlens-relay {version} takes events on {host}:{port} for {cluster}"
)
ENDED = InternalEvent("relay_ended", logging.ERROR, "the relay ended although nobody asked it to: {error}")
STOPPED = InternalEvent("relay_stopped", logging.INFO, "slurmlens-relay ended")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the relay until it is told to stop; returns the exit status."""
    try:
        path = _parse(arguments).config
        config = load_relay(path)
        log.configure(config.log.level, config.log.format, "slurmlens-relay")
        if process.lock_folder(config.runtime_path) is None:
            print(  # noqa: T201  # for the person who started it twice
                f"slurmlens-relay: another one uses {config.runtime_path}: stop it, or set `runtime_path`",
                file=sys.stderr,
            )
            return EXIT_RUNNING
        process.raise_descriptor_limit()
        status = asyncio.run(serve(config, SystemClock(), path))
    except ConfigError as error:
        print(f"slurmlens-relay: {error}", file=sys.stderr)  # noqa: T201  # whoever starts it reads this
        return EXIT_CONFIG
    return begin_anew() if status == BEGINS_ANEW else status


async def serve(config: RelayConfig, clock: Clock, path: Path = RELAY_PATH) -> int:
    """The relay in a running loop, until a signal; returns the exit status, or BEGINS_ANEW. ConfigError where it cannot
    begin."""
    reporter = Reporter(Counters(), clock)
    notifier = Notifier()
    with signals.handling(SettingsReload(lambda: _examined(path), reporter, clock)) as stop:
        pipeline = RelayPipeline(config, process.read_boot_id(), clock, reporter)
        await pipeline.open()
        host, port = config.listen.host, pipeline.events_port
        reporter.report(STARTED, version=__version__, host=host, port=port, cluster=config.cluster)
        report_a_wrong_clock(clock, reporter)
        try:
            await live(pipeline.run(), stop, notifier, f"takes events on {host}:{port}")
        except EndedByItself as end:
            reporter.report(ENDED, cause=end.cause, error=end.cause)
            return EXIT_ENDED
    if stop.begins_anew:
        return BEGINS_ANEW
    reporter.report(STOPPED)
    return 0


def _examined(path: Path) -> list[ConfigError]:
    """What is wrong with the settings that are there now; this relay's own port is not."""
    config, errors = examine(RelayConfig, path)
    return errors or located(list(listening_problems(config.listen, config.auth)), path)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="slurmlens-relay", description="Takes events and metrics of nodes, keeps them, and delivers them."
    )
    parser.add_argument(
        "--config", type=Path, default=RELAY_PATH, metavar="FILE", help="settings (default: %(default)s)"
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
