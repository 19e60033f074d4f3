"""What every store of lines promises: `sqlite_store` on this machine, `opensearch_store` on a search server.

Owns the types between a store and the rest. Promises, tested of each store alike: a line is kept once however often it
comes (its id); it stands in the day of its own time; what was kept is found by who may see it, the newest first; a
refusal for good costs the line alone and says why, everything else that goes wrong is a LogStoreError, after which the
same lines may be sent again. Lines come from `keeping`; `web` reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import msgspec

from slurmlens.errors import SlurmlensError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs.query import JobOwner, LogPage, LogPlace, LogQuery, StoredLine
from slurmlens.log_lines import LogLine

Lines = Sequence[tuple[LogLine, JobOwner]]
AROUND = 20
"""Lines of a node before a line, and as many after it."""


class LogStoreError(SlurmlensError):
    """The lines could not be kept or read now: the folder, its disk, the search server. `kept` are those that were."""

    reason = "log_store"

    def __init__(self, message: str, kept: Sequence[StoredLine] = ()) -> None:
        super().__init__(message)
        self.kept = tuple(kept)


class Slot(NamedTuple):
    """A stretch of a histogram: where it begins, how many lines, and how many of these are errors or worse."""

    begin_ns: int
    lines: int
    errors: int


class Kept(NamedTuple):
    """What came of lines: the new ones with their places, and why some are refused for good, by id."""

    new: tuple[StoredLine, ...] = ()
    refused: Mapping[str, str] = MappingProxyType({})


class StoreNode(msgspec.Struct, frozen=True):
    """One machine of a store; percentages of its Java heap and of its data disk, `rejected` bulks since its start."""

    name: str
    heap_percent: int | None = None
    disk_percent: float | None = None
    rejected: int = 0


class StoreDay(msgspec.Struct, frozen=True):
    """One day's lines; None where it is not counted."""

    name: str
    lines: int | None
    size_bytes: int | None
    state: str = ""
    is_read_only: bool = False


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a store fares: `state` is green, yellow, red or away; `problem` says what to do about it.

    `watermarks` are the disk uses at which a search server allots no shard any more, moves shards away, and makes
    indices read-only, in its own words.
    """

    kind: str
    place: str
    state: str
    problem: str | None = None
    version: str | None = None
    nodes: tuple[StoreNode, ...] = ()
    days: tuple[StoreDay, ...] = ()
    shards: int | None = None
    unassigned_shards: int = 0
    watermarks: tuple[str, ...] = ()
    is_written: bool = True


class LogReads(Protocol):
    """What pages ask of a store."""

    async def search(self, viewer: Viewer, query: LogQuery) -> LogPage:
        """The newest lines that fit, as many as asked for."""

    async def around(self, viewer: Viewer, node: str, place: LogPlace, count: int = AROUND) -> LogPage:
        """What the node said just before and after a line of that place, the newest first."""

    async def histogram(self, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int) -> Sequence[Slot]:
        """How many lines fit in each stretch from `since_ns` on; stretches without any are left out."""


class LogSource(LogReads, Protocol):
    """A place that lines are read from, whoever writes them."""

    async def health(self) -> StoreHealth:
        """How it fares, asked now."""

    async def close(self) -> None:
        """Ends it; nothing may be asked any more."""


class LogStore(LogSource, Protocol):
    """What `keeping` asks of a place that the hub writes to itself."""

    async def append(self, lines: Lines) -> Kept:
        """Keeps lines and answers once they are safe; LogStoreError where some were not kept and may be sent again."""

    async def replace(self, lines: Sequence[StoredLine]) -> None:
        """Writes lines anew that are kept: their job became known."""

    async def unfinished(self, since_ns: int, limit: int) -> Sequence[StoredLine]:
        """Lines of jobs of which it is not known whose they are, the newest first."""

    async def forget_old(self) -> Sequence[str]:
        """Removes the days that are older than is kept; returns their names."""
