"""How delivery fares, as status documents say it: receivers, the spool, Consul.

Owns the types; no behaviour but their figures. Made by `deliveries`, `pipeline` and `consul`; part of what node and
relay answer on their status sockets, read back by the command line.
"""

from __future__ import annotations

import msgspec

from slurmlens.events import DroppedLines


class SinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver: what waits for it, and how the last try went. Ages in seconds, None for never or nothing."""

    name: str
    backlog_batches: int
    backlog_lines: int
    backlog_bytes: int
    lag_s: float | None
    delivered_ago_s: float | None
    failures_in_a_row: int
    last_error: str | None


class SpoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What waits, where, and what was given up in all. `mode`: lasting, volatile (its disk is memory), memory (it has
    no disk) or failing, for the reason `failure`.
    """

    path: str
    mode: str
    failure: str | None
    size_bytes: int
    max_bytes: int
    stored_bytes: int
    memory_bytes: int
    dropped: tuple[DroppedLines, ...]


class FoundStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where one receiver is; `is_fresh` is False while only the settings or an earlier daemon's memory say so."""

    sink: str
    addresses: tuple[str, ...]
    is_fresh: bool


class ConsulStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What Consul says, and how asking it fares; `settings` in force and `refused` ones name their keys in the KV."""

    url: str
    registered: bool
    health: str | None
    heard_ago_s: float | None
    last_error: str | None
    found: tuple[FoundStatus, ...]
    settings: dict[str, str]
    refused: tuple[str, ...]


def spool_figures(spool: SpoolStatus) -> dict[str, float]:
    """The part of them that a relay has, too."""
    return {
        "spool_bytes": spool.size_bytes,
        "spool_limit_bytes": spool.max_bytes,
        "spool_stored_bytes": spool.stored_bytes,
        "spool_well": float(spool.mode in ("lasting", "volatile")),
    }
