"""What `slurmlens status --relay` says of the relay.

Owns the wording; the facts are `node.relay.status.RelayStatus`. Used by `status`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from slurmlens.cli.show.status_words import age, consul_lines, delivery_troubles, sink_line, spool_line, trouble_lines
from slurmlens.relay.status import RelayStatus


def decode(answer: bytes) -> RelayStatus:
    """What the relay said. Raises msgspec.DecodeError for what no relay says."""
    return msgspec.json.decode(answer, type=RelayStatus)


def troubles_of(status: RelayStatus) -> Iterator[str]:
    """What an operator should look at, in words."""
    if not status.takes_events:
        yield "no room: nodes are asked to come back, and keep what they have"
    yield from delivery_troubles(status.sinks, status.stages, status.spool, status.consul)


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
