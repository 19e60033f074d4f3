"""The numbers that stand for the metrics' names in a stored course.

A name costs a byte instead of thirty. A number is never given to another name: stored courses would change their
meaning. A metric that a newer node sends is stored by its name. Used by `blob` alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.errors import DecodeError

NUMBERED: tuple[str, ...] = (
    "cpu_cores",
    "memory_bytes",
    "memory_rss_bytes",
    "pids_count",
    "io_read_bytes_per_second",
    "io_written_bytes_per_second",
    "pressure_cpu_some_ratio",
    "pressure_memory_some_ratio",
    "pressure_io_some_ratio",
    "process_io_read_bytes_per_second",
    "process_io_written_bytes_per_second",
    "node_pressure_cpu_some_ratio",
    "node_pressure_memory_some_ratio",
    "node_pressure_io_some_ratio",
)
"""Append only."""

_NUMBER_OF = {name: number for number, name in enumerate(NUMBERED)}
_SPELLED = 255


def write_names(names: Sequence[str]) -> bytes:
    """One byte a known name; 255, a length and UTF-8 for another."""
    made = bytearray()
    for name in names:
        number = _NUMBER_OF.get(name)
        if number is None:
            text = name.encode("utf-8", "replace")[:255]
            made += bytes((_SPELLED, len(text))) + text
        else:
            made.append(number)
    return bytes(made)


def read_names(data: bytes, count: int, offset: int) -> tuple[tuple[str, ...], int]:
    """`count` names from `offset` on, and where they end; DecodeError for a number that stands for nothing."""
    names: list[str] = []
    for _ in range(count):
        number = data[offset]
        offset += 1
        if number == _SPELLED:
            end = offset + 1 + data[offset]
            names.append(data[offset + 1 : end].decode("utf-8", "replace"))
            offset = end
        elif number < len(NUMBERED):
            names.append(NUMBERED[number])
        else:
            raise DecodeError(f"a stored course names metric number {number}, which this release does not know")
    if len(set(names)) != len(names):
        raise DecodeError("a stored course names a metric twice")
    return tuple(names), offset
