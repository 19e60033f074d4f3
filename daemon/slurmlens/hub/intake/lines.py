"""Which lines of NDJSON are taken, and why each of the others is not: the same for whatever way they came. Pure.

Used by `ingest`, for what nodes post, and by `kafka`, for records of a topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from slurmlens.errors import DecodeError
from slurmlens.wire.ingest import RefusedLine, problem_of
from slurmlens.wire.received import ReceivedLine, received_lines


class LinesTaken(NamedTuple):
    """What a body says, read once; lines by their number in it, from 1."""

    lines: list[ReceivedLine]
    refused: list[RefusedLine]


def read_lines(
    body: bytes, may_tell: Callable[[str], bool], cluster: str, now_ns: int, profiles: bytes = b""
) -> LinesTaken:
    """Reads a body, unpacked, with the columns that came packed beside it; `may_tell` says of which nodes its sender
    may speak.
    """
    taken = LinesTaken([], [])
    for number, found in received_lines(body, profiles):
        problem = found if isinstance(found, DecodeError) else problem_of(found, may_tell, cluster, now_ns)
        if problem is not None:
            taken.refused.append(RefusedLine(number, problem.reason, str(problem)))
        elif not isinstance(found, DecodeError):
            taken.lines.append(ReceivedLine(number, found))
    return taken
