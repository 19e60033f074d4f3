"""What workers say of themselves and know of each other: values alone.

A worker is one hub process of several that share a database. Written by `membership`, kept in `tables`; shown by the
hub's status.
"""

from __future__ import annotations

from typing import Any

import msgspec


class KafkaShare(msgspec.Struct, kw_only=True):
    """What of a topic a worker has: its partitions, and how many records of each it has not stored yet."""

    topic: str
    group: str
    waiting: dict[int, int] = {}
    stored: int = 0
    refused: int = 0
    last_error: str | None = None


class WorkerTold(msgspec.Struct, kw_only=True):
    """A worker by its own word; `scheduler` is what the one who leads knows of the scheduler."""

    host: str
    pid: int
    version: str
    watchers: int = 0
    scheduler: dict[str, Any] = {}
    kafka: KafkaShare | None = None


class KnownWorker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as the database has it; `silent_s` is how long ago it last wrote, by the server's clock."""

    worker: str
    started_ns: int
    silent_s: float
    leads_s: float | None
    told: WorkerTold
