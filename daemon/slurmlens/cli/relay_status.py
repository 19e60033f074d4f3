"""`slurmlens status --relay`: how the relay on this machine fares.

Owns the wording; the facts are `node.relay.status.RelayStatus`. Exit status as of `status`. Called by it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from slurmlens.cli.screen import show
from slurmlens.cli.status_socket import ask
from slurmlens.cli.status_words import (
    age,
    sink_line,
    sink_troubles,
    spool_line,
    spool_troubles,
    stage_troubles,
    trouble_lines,
)
from slurmlens.config.load import RELAY_PATH, load_relay
from slurmlens.config.relay import RelayConfig
from slurmlens.errors import ConfigError
from slurmlens.node.relay.status import RelayStatus, figures
from slurmlens.node.status import FIGURE_TEXTS
from slurmlens.wire.prometheus import exposition

EXIT_WELL = 0
EXIT_TROUBLE = 1
EXIT_SILENT = 3


def run(arguments: argparse.Namespace) -> int:
    """Ask, show, and judge; `arguments` are those of `status`."""
    try:
        path = arguments.socket or _socket_path(arguments.config)
        answer = ask(path)
        status = msgspec.json.decode(answer, type=RelayStatus)
    except ConfigError as error:
        print(f"slurmlens status: {error}", file=sys.stderr)
        return EXIT_SILENT
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or "no answer in time"
        print(f"slurmlens status: {path}: {reason}. Does slurmlens-relay run, and may you ask it?", file=sys.stderr)
        return EXIT_SILENT
    if arguments.prometheus:
        show(exposition({**status.counters, **figures(status)}, FIGURE_TEXTS))
        return EXIT_WELL
    troubles = list(troubles_of(status))
    if arguments.json:
        show(answer.decode())
    else:
        show(trouble_lines(troubles) if arguments.quiet else render(status, troubles))
    return EXIT_TROUBLE if troubles else EXIT_WELL


def troubles_of(status: RelayStatus) -> Iterator[str]:
    """What an operator should look at, in words."""
    if not status.takes_events:
        yield "no room: nodes are told to come back, and keep what they have"
    for sink in status.sinks:
        yield from sink_troubles(sink)
    yield from stage_troubles(status.stages)
    yield from spool_troubles(status.spool)


def render(status: RelayStatus, troubles: list[str]) -> str:
    """The page in the terminal."""
    lines = [f"slurmlens-relay {status.version}  {status.cluster}/{status.name}  up {age(status.uptime_s)}", ""]
    lines += [trouble_lines(troubles)] * bool(troubles)
    metrics = f", metrics on port {status.metrics_port}" if status.metrics_port is not None else ""
    lines += [f"  takes events on port {status.events_port}{metrics}", ""]
    lines += [sink_line(sink) for sink in status.sinks]
    lines += [spool_line(status.spool)]
    return "\n".join(lines) + "\n"


def _socket_path(config: Path | None) -> Path:
    """Where the settings say; where nobody named any and there are none, where the defaults say."""
    if config is None and not RELAY_PATH.exists():
        return RelayConfig().status_socket_path
    return load_relay(config or RELAY_PATH).status_socket_path
