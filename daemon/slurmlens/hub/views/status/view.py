"""What `/status.json` says, and what page and terminal make of it.

Owns the types. `StatusDocument` is the document as the hub writes it (a reader of another release passes over what it
does not know); `StatusView` is made of it by `build`, for the page and for `slurmlens status --hub` alike.
"""

from __future__ import annotations

import enum

import msgspec

from slurmlens.events import DroppedLines
from slurmlens.hub.logs.store import StoreHealth


class SchedulerDocument(msgspec.Struct, kw_only=True):
    """How the scheduler answers."""

    release: str | None = None
    asked_since_ns: int = 0
    last_queue_ns: int | None = None
    last_accounting_ns: int | None = None
    last_error: str | None = None
    failures: int = 0


class StageDocument(msgspec.Struct, kw_only=True):
    """How one of the hub's stages fares."""

    running: bool = False
    failures: int = 0
    last_error: str | None = None


class LoopDocument(msgspec.Struct, kw_only=True):
    """The longest hold of the hub's event loop (CPU time) and when it was."""

    longest_hold_ms: float = 0.0
    longest_hold_ns: int = 0
    held: int = 0


class DatabaseDocument(msgspec.Struct, kw_only=True):
    """The file of the hub's database, where it has one: whether it will last, how this hub found it, if it is there."""

    path: str
    file_system: str = ""
    durability: str = "lasting"
    begin: str = "same"
    is_there: bool = True


class NodeDocument(msgspec.Struct, kw_only=True):
    """One node daemon as the hub knows it."""

    node: str
    last_heard_ns: int
    version: str | None = None
    boot_id: str | None = None
    interval_s: float | None = None
    skew_s: float | None = None
    contested_ns: int | None = None
    other_boot_id: str | None = None
    running: tuple[int, ...] = ()
    dropped: tuple[DroppedLines, ...] = ()


class SinkDocument(msgspec.Struct, kw_only=True):
    """How a receiver of the hub's own points fares."""

    name: str
    backlog_lines: int = 0
    failures_in_a_row: int = 0
    last_error: str | None = None


class AgedDocument(msgspec.Struct, kw_only=True):
    """How retention of one kind of data stands: how long it is kept, what went, how far behind it is."""

    kind: str
    kept_s: float = 0.0
    removed: int = 0
    last_ns: int | None = None
    behind_s: float = 0.0


class KafkaShareDocument(msgspec.Struct, kw_only=True):
    """What of a topic a hub takes: its partitions with how many records wait in each."""

    topic: str = ""
    group: str = ""
    waiting: dict[int, int] = {}
    stored: int = 0
    refused: int = 0
    last_error: str | None = None


class GraphDocument(msgspec.Struct, kw_only=True):
    """How the projection into Neo4j fares: how many changes are not in it yet."""

    url: str = ""
    waiting: int = 0
    up_to_date_ns: int | None = None
    rebuilds: int = 0
    last_error: str | None = None


class WorkerToldDocument(msgspec.Struct, kw_only=True):
    """A hub among several by its own word."""

    host: str = ""
    pid: int = 0
    version: str = ""
    watchers: int = 0
    kafka: KafkaShareDocument | None = None


class WorkerDocument(msgspec.Struct, kw_only=True):
    """A hub among several on one database; `leads_s` is since when it alone asks the scheduler."""

    worker: str
    silent_s: float = 0.0
    leads_s: float | None = None
    told: WorkerToldDocument = msgspec.field(default_factory=WorkerToldDocument)


class StatusDocument(msgspec.Struct, kw_only=True):
    """The whole document."""

    version: str = ""
    cluster: str = ""
    now_ns: int = 0
    scheduler: SchedulerDocument = msgspec.field(default_factory=SchedulerDocument)
    watchers: int = 0
    loop: LoopDocument | None = None
    database: DatabaseDocument | None = None
    stages: dict[str, StageDocument] = {}
    worker: str | None = None
    workers: tuple[WorkerDocument, ...] = ()
    kafka: KafkaShareDocument | None = None
    logs: StoreHealth | None = None
    graph: GraphDocument | None = None
    sinks: tuple[SinkDocument, ...] = ()
    retention: tuple[AgedDocument, ...] = ()
    counters: dict[str, float] = {}
    refused: dict[str, int] = {}
    held: dict[str, int] = {}
    nodes: tuple[NodeDocument, ...] = ()


class Weight(enum.Enum):
    """How much an oddity matters. LOST: something is gone. LOOK: a person is needed. NOTE: good to know."""

    LOST = "lost"
    LOOK = "look"
    NOTE = "note"


class Oddity(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be: what, and what to do."""

    weight: Weight
    what: str
    advice: str
    since_ns: int | None = None


class NodeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One node in the table; `is_odd` puts it first."""

    node: str
    last_heard_ns: int
    version: str
    running: int
    skew_s: float | None
    dropped: int
    is_silent: bool
    is_odd: bool


class WorkerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One hub of several; `says` is how it fares in words, `kafka` what it takes of a topic."""

    worker: str
    says: str
    leads: bool
    is_this: bool
    is_silent: bool
    silent_s: float
    version: str
    watchers: int
    kafka: str | None


class LogsKept(msgspec.Struct, frozen=True, kw_only=True):
    """Where log lines are, in words, and a search server's machines and days; `size_bytes` is that of all days."""

    sentence: str
    health: StoreHealth
    size_bytes: int
    lines: int | None


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The page: one sentence, the oddities (worst first), the hub's parts, and the nodes (odd ones first, not all)."""

    cluster: str
    version: str
    made_ns: int
    sentence: str
    oddities: tuple[Oddity, ...]
    scheduler: SchedulerDocument
    stages: dict[str, str]
    loop: LoopDocument | None
    watchers: int
    held: int
    retention: tuple[AgedDocument, ...]
    workers: tuple[WorkerLine, ...]
    kafka: str | None
    logs: LogsKept | None
    graph: GraphDocument | None
    nodes: tuple[NodeLine, ...]
    node_count: int
    silent_count: int
