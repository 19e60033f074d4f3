"""`slurmlens status`: how the node daemon or the relay on this machine fares, or a hub with its cluster.

Owns the asking (a local socket, or the hub's `/status.json`); what is said of each stands in `node_status`,
`relay_status` and `views.status`. Exit status 0: all is well; 1: something needs a look (a receiver that is away, a
stage that failed, no dropbox, a silent node); 3: the daemon does not answer. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.status_socket import ask
from slurmlens.cli.show import node_status, relay_status
from slurmlens.cli.show.screen import sheet_for, show, show_json
from slurmlens.cli.show.status_words import trouble_lines
from slurmlens.config.load import NODE_PATH, RELAY_PATH, load_node, load_relay
from slurmlens.config.node import NodeConfig
from slurmlens.config.relay import RelayConfig
from slurmlens.delivery.status_socket import LookClosely, Refusal
from slurmlens.errors import ConfigError, HubError
from slurmlens.hub.views.status.build import build_status_view
from slurmlens.hub.views.status.terminal import render_status
from slurmlens.hub.views.status.view import StatusDocument, Weight
from slurmlens.node.status import FIGURE_TEXTS, figures
from slurmlens.relay import status as relay_facts
from slurmlens.shown.text import visible
from slurmlens.wire.prometheus import exposition

SUMMARY = "how the node daemon on this machine fares, or the hub and its cluster"

EPILOG = """example:
  slurmlens status
  slurmlens status --json | jq .sinks
  slurmlens status --prometheus         for node_exporter's textfile collector, see docs/metrics.md
  slurmlens status --closely 4711       have job 4711 read every second for ten minutes
  slurmlens status --config /etc/slurmlens/n1.toml     one of several daemons on this machine
  slurmlens status --relay              of slurmlens-relay on this machine
  slurmlens status --hub                of the hub and what is odd with its cluster; --hub URL names another one
  slurmlens status --quiet              for cron, which sends what is said: only what needs a look

exit status: 0 all is well (and for --prometheus), 1 something needs a look, 3 the daemon does not answer"""

EXIT_WELL = 0
EXIT_TROUBLE = 1
EXIT_USAGE = 2
EXIT_SILENT = 3


class _Daemon(NamedTuple):
    """How one kind of daemon is asked and shown; what `decode` returns the three behind it take."""

    program: str
    config_path: Path
    load: Callable[[Path], NodeConfig | RelayConfig]
    defaults: type[NodeConfig | RelayConfig]
    decode: Callable[[bytes], Any]
    figures: Callable[[Any], dict[str, float]]
    troubles_of: Callable[[Any], Iterator[str]]
    render: Callable[[Any, list[str]], str]


_NODE = _Daemon(
    "slurmlens-node",
    NODE_PATH,
    load_node,
    NodeConfig,
    node_status.decode,
    figures,
    node_status.troubles_of,
    node_status.render,
)
_RELAY = _Daemon(
    "slurmlens-relay",
    RELAY_PATH,
    load_relay,
    RelayConfig,
    relay_status.decode,
    relay_facts.figures,
    relay_status.troubles_of,
    relay_status.render,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"the daemon's settings (default: {NODE_PATH})")
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help="its status socket, where the settings are not at hand"
    )
    parser.add_argument("--relay", action="store_true", help="of the relay on this machine")
    parser.add_argument(
        "--hub", nargs="?", const="", metavar="URL", help="of a hub: this one, else $SLURMLENS_HUB, else this machine's"
    )
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
    if arguments.hub is not None:
        return _run_hub(arguments)
    if arguments.relay and arguments.closely is not None:
        print("slurmlens status: --closely: a relay reads no jobs; ask on the job's node", file=sys.stderr)
        return EXIT_USAGE
    daemon = _RELAY if arguments.relay else _NODE
    try:
        path = arguments.socket or _socket_path(daemon, arguments.config)
        answer = ask(path, _order(arguments))
        status = daemon.decode(answer)
    except ConfigError as error:
        print(f"slurmlens status: {error}", file=sys.stderr)
        return EXIT_SILENT
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or "no answer in time"
        print(f"slurmlens status: {path}: {reason}. Does {daemon.program} run, and may you ask it?", file=sys.stderr)
        return EXIT_SILENT
    if isinstance(status, Refusal):
        print(f"slurmlens status: {status.error}", file=sys.stderr)
        return EXIT_TROUBLE
    if arguments.prometheus:
        show(exposition({**status.counters, **daemon.figures(status)}, FIGURE_TEXTS))
        return EXIT_WELL
    troubles = list(daemon.troubles_of(status))
    if arguments.json:
        show_json(answer)
    else:
        show(trouble_lines(troubles) if arguments.quiet else daemon.render(status, troubles))
    return EXIT_TROUBLE if troubles else EXIT_WELL


def _run_hub(arguments: argparse.Namespace) -> int:
    """Ask a hub, show, and judge."""
    if arguments.relay or arguments.closely is not None or arguments.prometheus:
        print("slurmlens status: --hub goes with --json and --quiet alone", file=sys.stderr)
        return EXIT_USAGE
    try:
        body = hub_client.fetch(hub_client.hub_address(arguments.hub or None), "/status.json")
        view = build_status_view(hub_client.decode(body, StatusDocument))
    except HubError as error:
        print(f"slurmlens status: {visible(str(error))}", file=sys.stderr)
        return EXIT_SILENT
    troubles = [oddity.what for oddity in view.oddities if oddity.weight is not Weight.NOTE]
    if arguments.json:
        show_json(body)
    elif arguments.quiet:
        show(trouble_lines(troubles))
    else:
        show(render_status(view, sheet_for(wide=False)))
    return EXIT_TROUBLE if troubles else EXIT_WELL


def _order(arguments: argparse.Namespace) -> bytes:
    if arguments.closely is None:
        return b""
    return msgspec.json.encode(LookClosely(arguments.closely, arguments.seconds)) + b"\n"


def _socket_path(daemon: _Daemon, config: Path | None) -> Path:
    """Where the settings say; where nobody named any and there are none, where the defaults say."""
    if config is None and not daemon.config_path.exists():
        return daemon.defaults().status_socket_path
    return daemon.load(config or daemon.config_path).status_socket_path
