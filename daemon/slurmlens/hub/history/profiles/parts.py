"""The parts of a stored course and the two ways in which one is written: fine, as nodes send it, and coarse.

A fine part is that of `wire.packed_columns`. In a coarse one a value is a byte on a scale a metric: 0 for a gap, else
1 + 254 × value / the highest value of the metric, rounded, so a value is what it was to within 1/508 of that highest
one; the part holds a float32 scale for each column, then the bytes column by column. Used by `blob` and `coarse`.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Collection, Sequence
from enum import IntEnum

from slurmlens.errors import DecodeError
from slurmlens.hub.history.profiles.course import Columns
from slurmlens.wire.packed_columns import GAP_HIGH, GAP_LOW, GAP_MEAN, KEPT_BYTES, column_of, inflated, squeezed


class BlobKind(IntEnum):
    """How values are written: as three bytes of a float32, or as one byte of a scale."""

    FINE = 0
    COARSE = 1


class CoursePart(IntEnum):
    """The parts of a course in the order in which they stand in a blob."""

    MEAN = 0
    HIGH = 1
    LOW = 2
    WEIGHT = 3


_STEPS = 254
_GAPS = {CoursePart.MEAN: GAP_MEAN, CoursePart.HIGH: GAP_HIGH, CoursePart.LOW: GAP_LOW}


def read_fine_part(
    columns: Columns, part: CoursePart, names: Sequence[str], wanted: Collection[str], count: int, data: bytes
) -> None:
    """Fill the columns that are wanted from a part of a fine blob."""
    places = [index for index, name in enumerate(names) if name in wanted]
    planes = inflated(data, KEPT_BYTES * count * (places[-1] + 1)) if places else b""
    for index in places:
        columns[names[index]] = column_of(planes, index, count)


def read_coarse_part(
    columns: Columns, part: CoursePart, names: Sequence[str], wanted: Collection[str], count: int, data: bytes
) -> None:
    """Fill the columns that are wanted from a part of a coarse blob."""
    if len(data) <= 4 * len(names):
        raise DecodeError(f"a part of a stored coarse course ends within its scales ({len(data)} bytes)")
    scales = struct.unpack_from(f"<{len(names)}f", data)
    steps = inflated(data[4 * len(names) :], count * len(names))
    for index, (name, scale) in enumerate(zip(names, scales, strict=True)):
        if name in wanted:
            values = [_GAPS[part], *(step * scale / _STEPS for step in range(_STEPS + 1))]
            columns[name] = array("f", [values[step] for step in steps[index * count : (index + 1) * count]])


def coarse_part(part: Columns, scales: Sequence[float]) -> bytes:
    """The columns as a part of a coarse blob, each on its own scale."""
    steps = bytearray()
    for values, scale in zip(part.values(), scales, strict=True):
        by = _STEPS / scale if scale > 0 else 0.0
        steps += bytes([1 + min(_STEPS, round(value * by)) if 0 <= value <= scale else 0 for value in values])
    return struct.pack(f"<{len(scales)}f", *scales) + squeezed(bytes(steps)) if steps else b""
