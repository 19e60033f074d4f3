"""Lists of values in pieces: a database limits the parameters of a statement. Used by the readers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TypeVar

PIECE = 400
"""Values in one IN list."""

_Item = TypeVar("_Item")


def pieces_of(values: Collection[_Item], size: int = PIECE) -> Iterator[list[_Item]]:
    """Values in lists short enough for one statement."""
    ordered = list(values)
    for begin in range(0, len(ordered), size):
        yield ordered[begin : begin + size]
