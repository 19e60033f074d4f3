"""Rows of sums: what a step adds to them is summed in memory first, then written in one statement a table.

Owns the one way in which sums are written. Invariants: rows are added to by the database itself, so that two hubs that
charge different jobs at once lose nothing; they are written in the order of their keys, so that such hubs wait for each
other and not in a circle; a row in which nothing is left goes. Fed by `keeping` and `started_keeping`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Table

from slurmlens.hub.database.bulk import Transaction

Place = tuple[Any, ...]
"""The key of a row without its cluster."""
Sums = tuple[int, ...]


class SumTable(NamedTuple):
    """A table of sums: how its rows are named, the cluster first, and what is summed in them."""

    table: Table
    key: tuple[str, ...]
    sums: tuple[str, ...]


def summed_by_place(parts: Iterable[tuple[Place, Sums]]) -> dict[Place, Sums]:
    """By row what it gains; most have one part, so that nothing is added."""
    found: dict[Place, Sums] = {}
    for place, sums in parts:
        own = found.get(place)
        found[place] = sums if own is None else tuple(map(operator.add, own, sums))
    return found


def negative(sums: Sums) -> Sums:
    """What takes these away."""
    return tuple(map(operator.neg, sums))


def write_sums(transaction: Transaction, kept: SumTable, cluster: str, changes: Mapping[Place, Sums]) -> None:
    """Adds to the rows of a cluster what they gain."""
    columns = (*kept.key, *kept.sums)
    rows = [(cluster, *place, *changes[place]) for place in sorted(changes) if any(changes[place])]
    transaction.add(kept.table, columns, kept.key, rows)
    nothing = (0,) * len(kept.sums)
    emptied = [(cluster, *place, *nothing) for place, sums in changes.items() if min(sums) < 0]
    transaction.take_away(kept.table, columns, emptied)
