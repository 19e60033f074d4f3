"""What `slurmlens status --relay` says of the relay.

Owns the wording; the facts are `node.relay.status.RelayStatus`. Used by `status`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from slurmlens.cli.status_words import (
    age,
    consul_lines,
    consul_troubles,
    sink_line,
    sink_troubles,
    spool_line,
    spool_troubles,
    stage_troubles,
    trouble_lines,
)
from slurmlens.config.load import RELAY_PATH, load_relay
from slurmlens.config.relay import RelayConfig
from slurmlens.node.relay.status import RelayStatus


def decode(answer: bytes) -> RelayStatus:
    """What the relay said. Raises msgspec.DecodeError for what no relay says."""
    return msgspec.json.decode(answer, type=RelayStatus)


def troubles_of(status: RelayStatus) -> Iterator[str]:
    """What an operator should look at, in words."""
    if not status.takes_events:
        yield "no room: nodes are told to come back, and keep what they have"
    for sink in status.sinks:
        yield from sink_troubles(sink)
    yield from stage_troubles(status.stages)
    yield from spool_troubles(status.spool)
    if status.consul is not None:
        yield from consul_troubles(status.consul)


def render(status: RelayStatus, troubles: list[str]) -> str:
    """The page in the terminal."""
    lines = [f"slurmlens-relay {status.version}  {status.cluster}/{status.name}  up {age(status.uptime_s)}", ""]
    lines += [trouble_lines(troubles)] * bool(troubles)
    metrics = f", metrics on port {status.metrics_port}" if status.metrics_port is not None else ""
    lines += [f"  takes events on port {status.events_port}{metrics}", ""]
    lines += [sink_line(sink) for sink in status.sinks]
    lines += [spool_line(status.spool)]
    lines += [] if status.consul is None else consul_lines(status.consul)
    return "\n".join(lines) + "\n"


def socket_path(config: Path | None) -> Path:
    """Where the settings say; where nobody named any and there are none, where the defaults say."""
    if config is None and not RELAY_PATH.exists():
        return RelayConfig().status_socket_path
    return load_relay(config or RELAY_PATH).status_socket_path
