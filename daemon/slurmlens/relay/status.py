"""How a relay fares: what its status socket says, and its figures as Prometheus is told them."""

from __future__ import annotations

import msgspec

from slurmlens.delivery.status import ConsulStatus, SinkStatus, SpoolStatus, spool_figures


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


def figures(status: RelayStatus) -> dict[str, float]:
    """What of a status is a number and no counter, by the names of `node.status.FIGURE_TEXTS`."""
    return {
        "uptime_s": status.uptime_s,
        "process_cpu_s_total": status.cpu_s,
        "process_resident_bytes": status.resident_bytes,
        **spool_figures(status.spool),
    }
