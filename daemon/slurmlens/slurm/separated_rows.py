"""Rows of fields that one of Slurm's commands was asked to write between separators of ours.

Owns why such text can be trusted: the last field of a row is free text of a user's (the job's name), may hold anything,
newlines too, and must not be able to look like another row. So the separator is drawn anew for each question, and who
named the job could not know it. Pure but for that draw. Used by `accounting_text` and `queue_text`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from slurmlens.slurm.json_values import MAX_TIME_S
from slurmlens.slurm.pieces import Pieces, text_lines

_ABSENT = frozenset({"", "Unknown", "None", "UNLIMITED", "Partition_Limit", "INVALID", "N/A", "(null)", "NOT_SET"})


def new_separator() -> str:
    """A separator that nobody can foresee, of characters that a format string of Slurm's takes literally."""
    return f"<{secrets.token_hex(8)}>"


def rows(pieces: Pieces, separator: str, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Each row by the names of its fields; a line without separators goes on with the last field of the row before."""
    row: list[str] = []
    for line in text_lines(pieces):
        fields = line.split(separator, len(names) - 1)
        if len(fields) == len(names):
            if row:
                yield dict(zip(names, row, strict=True))
            row = fields
        elif row:
            row[-1] += "\n" + line
    if row:
        yield dict(zip(names, row, strict=True))


def told(text: str) -> str | None:
    """A word; None for those by which Slurm says that there is none."""
    return None if text in _ABSENT else text[:1024]


def whole(text: str | None) -> int | None:
    """A whole number of a size that Slurm has; None for anything else."""
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= 18
    return int(text) if is_number and text is not None else None


def whole_time(text: str) -> int | None:
    """Seconds since the epoch; None for what is no time, 0, or after the year 9999."""
    seconds = whole(text)
    return seconds if seconds and seconds <= MAX_TIME_S else None
