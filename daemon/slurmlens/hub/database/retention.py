"""What is too old goes, in small steps beside the writer; the same on SQLite and PostgreSQL.

Owns the stage, the size of its steps and the table `retention`: how much of each kind went, and when last. What is too
old, and what goes with it, say the kinds, which their tables' owners make. Invariants: a step is one transaction, and
where it stopped is in the rows themselves, so that a kill at any moment leaves nothing half done and nothing to be
found again; what takes long is read and computed in a reader's thread; the writer is held `MOST_HELD_S` at most by
a step, for steps are made smaller before that, and has the larger part of the time for itself. Run by `pipeline`;
`told` is shown by the hub's status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Table, Text, select

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.database.store import Store

MOST_HELD_S = 0.05
AIM_S = 0.02
LEAST_ROWS, FIRST_ROWS, MOST_ROWS = 1, 20, 2_000
REST = 3.0
"""How much longer than a step the pause after it is."""
LEAST_REST_S = 0.01
LOOK_EVERY_S = 60.0

table = Table(
    "retention",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("removed", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
)


class DueItems(NamedTuple):
    """What a step may take: the kind's own items, and from when the oldest that is due is."""

    items: Sequence[Any]
    oldest_ns: int


class AgingKind(Protocol):
    """One kind of what ages."""

    @property
    def name(self) -> str:
        """As it is shown."""

    @property
    def kept_s(self) -> float:
        """At this age it is due."""

    def due(self, connection: Connection, before_ns: int, most: int) -> DueItems | None:
        """The oldest items from before that moment, about `most` rows of them, made ready; in a reader's thread."""

    def remove(self, transaction: Transaction, items: Sequence[Any]) -> int:
        """Takes them away as far as they are still due; returns how many rows, or whatever is counted, went."""


class Aged(msgspec.Struct, frozen=True, kw_only=True):
    """How retention of one kind stands. `behind_s`: how much older than it may be the oldest is; 0 where none is."""

    kind: str
    kept_s: float
    removed: int = 0
    last_ns: int | None = None
    behind_s: float = 0.0


@dataclass(slots=True)
class StepSize:
    """How many rows a step takes: more while steps are short, fewer at once when one was not."""

    rows: int = FIRST_ROWS

    def took(self, seconds: float) -> None:
        """A step held the writer for so long."""
        if seconds > AIM_S:
            self.rows = max(LEAST_ROWS, int(self.rows * max(0.25, AIM_S / seconds / 1.25)))
        elif seconds < AIM_S / 2:
            self.rows = min(MOST_ROWS, self.rows * 2)


@dataclass(slots=True)
class _Standing:
    """One kind and how its retention stands."""

    kind: AgingKind
    size: StepSize = field(default_factory=StepSize)
    removed: int = 0
    last_ns: int | None = None
    behind_s: float = 0.0


class Retention:
    """All kinds of one hub."""

    def __init__(self, store: Store, kinds: Sequence[AgingKind], clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._standing = [_Standing(kind) for kind in kinds]

    async def run(self) -> None:
        """A stage: takes step after step while something is due, then looks now and then."""
        await self.load()
        while True:
            if not await self.turn():
                await asyncio.sleep(LOOK_EVERY_S)

    async def load(self) -> None:
        """Goes on counting where the hub before stopped."""

        def read(connection: Connection) -> Mapping[str, tuple[int, int]]:
            return {row.kind: (row.removed, row.last_ns) for row in connection.execute(select(table))}

        found = await self._store.read(read)
        for one in self._standing:
            one.removed, one.last_ns = found.get(one.kind.name, (0, None))

    async def turn(self) -> bool:
        """One step of each kind; whether there was anything to do."""
        has_work = False
        for one in self._standing:
            held_s = await self._step(one)
            if held_s is not None:
                has_work = True
                await asyncio.sleep(max(LEAST_REST_S, REST * held_s))
        return has_work

    def told(self) -> list[Aged]:
        """How each kind stands."""
        return [
            Aged(
                kind=one.kind.name,
                kept_s=one.kind.kept_s,
                removed=one.removed,
                last_ns=one.last_ns,
                behind_s=one.behind_s,
            )
            for one in self._standing
        ]

    async def _step(self, one: _Standing) -> float | None:
        """One step of one kind: how long it held the writer, None where nothing was due."""
        kind, now_ns = one.kind, self._clock.wall_ns()
        before_ns, most = now_ns - round(kind.kept_s * NS_PER_S), one.size.rows
        due = await self._store.read(lambda connection: kind.due(connection, before_ns, most))
        one.behind_s = 0.0 if due is None else max(0, before_ns - due.oldest_ns) / NS_PER_S
        if due is None:
            return None
        began_ns = 0

        def work(transaction: Transaction) -> int:
            nonlocal began_ns
            began_ns = self._clock.monotonic_ns()
            removed = kind.remove(transaction, due.items)
            row = {"kind": kind.name, "removed": one.removed + removed, "last_ns": now_ns}
            transaction.put(table, ("kind",), [row])
            return removed

        one.removed += await self._store.write(work)
        one.last_ns = now_ns
        held_s = (self._clock.monotonic_ns() - began_ns) / NS_PER_S
        one.size.took(held_s)
        return held_s
