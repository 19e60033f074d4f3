"""The program `slurmlens-node`: log, signals, systemd; the work is `pipeline`'s.

Owns the process; `start` has read the settings. Exit status 0 after an ordered stop, 2 (from `start`) for settings that
cannot be used, 3 where it ended by itself, 4 where another daemon of this node runs already. SIGTERM and SIGINT stop it
in order; a second one at once. SIGHUP applies new settings.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from slurmlens import __version__
from slurmlens.cgroup.mounts import CgroupLocator
from slurmlens.clock import NS_PER_S, Clock, SystemClock
from slurmlens.config.load import NODE_PATH, examine
from slurmlens.config.node import NodeConfig
from slurmlens.errors import ConfigError
from slurmlens.node.pipeline import Machine, NodePipeline
from slurmlens.runtime import process, signals
from slurmlens.runtime.clock_check import report_a_wrong_clock
from slurmlens.runtime.reload import BEGINS_ANEW, SettingsReload, begin_anew
from slurmlens.runtime.sd_notify import Notifier
from slurmlens.runtime.service import EXIT_ENDED, EndedByItself, live
from slurmlens.telemetry import log
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import InternalEvent, Reporter

EXIT_RUNNING = 4
STARTED = InternalEvent("node_started", logging.INFO, "slurmlens-node {version} watches {cluster}/{node}")
ENDED = InternalEvent("node_ended", logging.ERROR, "the daemon ended although nobody asked it to: {error}")
REFUSED = InternalEvent("node_refused", logging.ERROR, "the daemon does not start: {error}")
CGROUPS_UNUSABLE = InternalEvent(
    "cgroups_unusable",
    logging.WARNING,
    "{problem}; until then jobs are known from hooks alone, and nothing is measured",
)
STOPPED = InternalEvent("node_stopped", logging.INFO, "slurmlens-node ended")


def main(config: NodeConfig, path: Path = NODE_PATH) -> int:
    """Run the node daemon until it is told to stop; returns the exit status. `path` is where the settings are."""
    log.configure(config.log.level, config.log.format, "slurmlens-node")
    lock = process.lock_folder(config.runtime_path)
    if lock is None:
        print(  # noqa: T201  # for the person who started it twice
            f"slurmlens-node: another one uses {config.runtime_path}: stop it, or set `runtime_path`", file=sys.stderr
        )
        return EXIT_RUNNING
    process.raise_descriptor_limit()
    status = asyncio.run(serve(config, SystemClock(), path))
    return begin_anew() if status == BEGINS_ANEW else status


async def serve(config: NodeConfig, clock: Clock, path: Path = NODE_PATH) -> int:
    """The daemon in a running loop, until a signal; returns the exit status, or BEGINS_ANEW."""
    reporter = Reporter(Counters(), clock)
    notifier = Notifier()
    root = system_root(config)
    machine = Machine(root, process.read_boot_id(root), clock)
    settings = SettingsReload(lambda: examine(NodeConfig, path)[1], reporter, clock, tick_ns(config))
    with signals.handling(settings) as stop:
        pipeline = NodePipeline(config, machine, reporter)
        try:
            await pipeline.open()
        except ConfigError as refusal:
            reporter.report(REFUSED, error=refusal)
            return EXIT_RUNNING
        reporter.report(STARTED, version=__version__, cluster=config.cluster, node=config.node)
        _report_the_surroundings(machine, config, reporter)
        try:
            await live(pipeline.run(), stop, notifier, f"watching {config.cluster}/{config.node}")
        except EndedByItself as end:
            reporter.report(ENDED, cause=end.cause, error=end.cause)
            return EXIT_ENDED
    if stop.begins_anew:
        return BEGINS_ANEW
    reporter.report(STOPPED)
    return 0


def _report_the_surroundings(machine: Machine, config: NodeConfig, reporter: Reporter) -> None:
    """What nothing can be done about here, and everything suffers from."""
    report_a_wrong_clock(machine.clock, reporter)
    if problem := CgroupLocator(machine.root, config.node).obstacle():
        reporter.report(CGROUPS_UNUSABLE, problem=problem)


def tick_ns(config: NodeConfig) -> int:
    """The interval of the fast ticks, which all nodes take at its whole multiples."""
    return round(config.sampling.interval_s * NS_PER_S)


def system_root(config: NodeConfig) -> Path:
    """Below which /proc and the cgroup mounts are: / in service, a made-up tree in tests."""
    return config.proc_root.parent
