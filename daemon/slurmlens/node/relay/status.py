"""How a relay fares: what its status socket says."""

from __future__ import annotations

import msgspec

from slurmlens.node.status import ConsulStatus, SinkStatus, SpoolStatus


class RelayStatus(msgspec.Struct, frozen=True, kw_only=True, tag_field="program", tag="slurmlens-relay"):
    """The whole answer; `counters` are spelled as Prometheus does. `takes_events` is False while the spool is full."""

    version: str
    cluster: str
    name: str
    time_ns: int
    uptime_s: float
    cpu_s: float
    resident_bytes: int
    events_port: int | None
    metrics_port: int | None
    takes_events: bool
    takes_metrics: bool
    spool: SpoolStatus
    sinks: tuple[SinkStatus, ...]
    stages: dict[str, str]
    counters: dict[str, float]
    consul: ConsulStatus | None = None
