"""`slurmlens status`: how the node daemon on this machine fares, asked over its local socket.

Owns the asking and the wording; the facts are `node.status.NodeStatus`. Exit status 0: all is well; 1: something needs
a look (a receiver that is away, a stage that failed, no dropbox); 3: the daemon does not answer. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from slurmlens.cli import relay_status
from slurmlens.cli.screen import show
from slurmlens.cli.status_socket import ask
from slurmlens.cli.status_words import (
    age,
    plain,
    sink_line,
    sink_troubles,
    spool_line,
    spool_troubles,
    stage_troubles,
    trouble_lines,
)
from slurmlens.config.load import NODE_PATH, load_node
from slurmlens.config.node import NodeConfig
from slurmlens.errors import ConfigError
from slurmlens.node.status import (
    FIGURE_TEXTS,
    ConsulStatus,
    LookClosely,
    NodeStatus,
    Refusal,
    SamplerStatus,
    figures,
)
from slurmlens.wire.prometheus import exposition

SUMMARY = "how the node daemon on this machine fares: jobs, sampling cost, receivers"

EPILOG = """example:
  slurmlens status
  slurmlens status --json | jq .sinks
  slurmlens status --prometheus         for node_exporter's textfile collector, see docs/metrics.md
  slurmlens status --closely 4711       have job 4711 read every second for ten minutes
  slurmlens status --config /etc/slurmlens/n1.toml     one of several daemons on this machine
  slurmlens status --relay              of slurmlens-relay on this machine
  slurmlens status --quiet              for cron, which sends what is said: only what needs a look

exit status: 0 all is well (and for --prometheus), 1 something needs a look, 3 the daemon does not answer"""

EXIT_WELL = 0
EXIT_TROUBLE = 1
EXIT_SILENT = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"the daemon's settings (default: {NODE_PATH})")
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help="its status socket, where the settings are not at hand"
    )
    parser.add_argument("--relay", action="store_true", help="of the relay on this machine")
    parser.add_argument("--closely", type=int, metavar="ID", help="have this job read every second for a while")
    parser.add_argument(
        "--for", dest="seconds", type=float, default=600.0, metavar="SECONDS", help="for how long (default: 600)"
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("-q", "--quiet", action="store_true", help="only what needs a look; nothing where all is well")
    shape.add_argument("--json", action="store_true", help="all that the daemon says, counters included")
    shape.add_argument("--prometheus", action="store_true", help="its figures as Prometheus reads them")


def run(arguments: argparse.Namespace) -> int:
    """Ask, show, and judge."""
    if arguments.relay:
        return relay_status.run(arguments)
    try:
        path = arguments.socket or _socket_path(arguments.config)
        answer = ask(path, _order(arguments))
        status = decode(answer)
    except ConfigError as error:
        print(f"slurmlens status: {error}", file=sys.stderr)
        return EXIT_SILENT
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or "no answer in time"
        print(f"slurmlens status: {path}: {reason}. Does slurmlens-node run, and may you ask it?", file=sys.stderr)
        return EXIT_SILENT
    if isinstance(status, Refusal):
        print(f"slurmlens status: {status.error}", file=sys.stderr)
        return EXIT_TROUBLE
    if arguments.prometheus:
        show(exposition({**status.counters, **figures(status)}, FIGURE_TEXTS))
        return EXIT_WELL
    troubles = list(troubles_of(status))
    if arguments.json:
        show(answer.decode())
    else:
        show(trouble_lines(troubles) if arguments.quiet else render(status, troubles))
    return EXIT_TROUBLE if troubles else EXIT_WELL


def decode(answer: bytes) -> NodeStatus | Refusal:
    """What the daemon said. Raises msgspec.DecodeError for what no daemon says."""
    try:
        return msgspec.json.decode(answer, type=NodeStatus)
    except msgspec.ValidationError:
        return msgspec.json.decode(answer, type=Refusal)


def troubles_of(status: NodeStatus) -> Iterator[str]:
    """What an operator should look at, in words."""
    if not status.dropbox_open:
        yield "the dropbox folder is not there: no hook event arrives"
    for sink in status.sinks:
        yield from sink_troubles(sink)
    yield from stage_troubles(status.stages)
    if status.spool is not None:
        yield from spool_troubles(status.spool)
    if status.consul is not None:
        if status.consul.last_error is not None:
            yield f"Consul: {status.consul.last_error}"
        yield from (f"Consul's KV: {refused}" for refused in status.consul.refused)
    if status.sampler is not None and status.sampler.thinning > 1:
        yield f"sampling costs more than its budget: one tick in {status.sampler.thinning} is read"


def render(status: NodeStatus, troubles: list[str]) -> str:
    """The page in the terminal."""
    lines = [f"slurmlens-node {status.version}  {status.cluster}/{status.node}  up {age(status.uptime_s)}", ""]
    lines += [trouble_lines(troubles)] * bool(troubles)
    if status.sampler is not None:
        lines += [_sampler_line(status.sampler), ""]
    lines += [sink_line(sink) for sink in status.sinks]
    lines += [] if status.sinks else ["  no receivers: nobody is told anything"]
    lines += [] if status.spool is None else [spool_line(status.spool)]
    lines += [] if status.consul is None else _consul_lines(status.consul)
    if not status.cgroup_tree_found:
        lines += ["", "  Slurm has made no cgroups for this node, or not yet: nothing is measured"]
    lines += ["", f"  {len(status.jobs)} jobs, {status.dropbox_waiting} hook events on their way"]
    for job in status.jobs:
        slot = "rest" if job.slot is None else str(job.slot)
        running = age((status.time_ns - job.since_ns) / 1e9)
        lines.append(f"    job {job.job_id:<10} slot {slot:<4} {job.phase:<7} for {running}")
    return "\n".join(lines) + "\n"


def _order(arguments: argparse.Namespace) -> bytes:
    if arguments.closely is None:
        return b""
    return msgspec.json.encode(LookClosely(arguments.closely, arguments.seconds)) + b"\n"


def _sampler_line(sampler: SamplerStatus) -> str:
    tick_ms = sampler.last_tick_s * 1000
    cost = f"{sampler.cost_share:.3%} of a core (budget {sampler.budget_share:.1%})"
    what = f"{sampler.cgroups} cgroups every {sampler.interval_s:g} s"
    return f"  sampling {what}: last tick {tick_ms:.1f} ms, {cost}, {sampler.missed_ticks} ticks missed"


def _consul_lines(consul: ConsulStatus) -> list[str]:
    heard = "nothing heard yet" if consul.heard_ago_s is None else f"last heard {age(consul.heard_ago_s)} ago"
    service = f"registered as {consul.health}" if consul.registered else "not registered"
    lines = ["", f"  Consul at {consul.url}: {service}; {heard}"]
    for found in consul.found:
        remark = "" if found.is_fresh else " (not Consul's word of now)"
        lines.append(f"    {found.sink} is at {', '.join(map(plain, found.addresses))}{remark}")
    return lines + [f"    {plain(key)} = {plain(text)}" for key, text in consul.settings.items()]


def _socket_path(config: Path | None) -> Path:
    """Where the settings say; where nobody named any and there are none, where the defaults say."""
    if config is None and not NODE_PATH.exists():
        return NodeConfig().status_socket_path
    return load_node(config or NODE_PATH).status_socket_path
