"""A course as it is kept for years: at most `COARSE_BINS` bins, one byte a value on a scale a metric.

A byte is 0 for a gap, else 1 + 254 * value / the metric's highest value, rounded: a value is what it was to within
1/508 of that highest one. Weights are not kept. A part holds a float32 scale for each column, then the bytes column by
column. Made by retention out of `blob`s; `blob.unpack` reads both kinds.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Collection, Sequence

from slurmlens.errors import DecodeError
from slurmlens.hub.history.profiles import blob
from slurmlens.hub.history.profiles.course import Columns, halved
from slurmlens.hub.history.profiles.fold import settled
from slurmlens.wire.packed_columns import GAP_HIGH, GAP_LOW, GAP_MEAN, inflated, squeezed

COARSE_BINS = 120
_STEPS = 254
_GAPS = {blob.CoursePart.MEAN: GAP_MEAN, blob.CoursePart.HIGH: GAP_HIGH, blob.CoursePart.LOW: GAP_LOW}


def coarsen(data: bytes) -> bytes:
    """The coarse blob of a course that nothing will be added to; one that is coarse already stays as it is."""
    if blob.kind_of(data) is blob.BlobKind.COARSE:
        return data
    course = settled(blob.unpack(data))
    while course.count > COARSE_BINS:
        course = halved(course)
    course.weight = {}
    scales = [max((value for value in course.high[name] if value >= 0), default=0.0) for name in course.names]
    parts = [_written(part, scales) for part in (course.mean, course.high, course.low)]
    return blob.write(course, blob.BlobKind.COARSE, [*parts, b""])


def _written(part: Columns, scales: Sequence[float]) -> bytes:
    steps = bytearray()
    for values, scale in zip(part.values(), scales, strict=True):
        by = _STEPS / scale if scale > 0 else 0.0
        steps += bytes([1 + min(_STEPS, round(value * by)) if 0 <= value <= scale else 0 for value in values])
    return struct.pack(f"<{len(scales)}f", *scales) + squeezed(bytes(steps)) if steps else b""


def read_coarse_part(
    columns: Columns, part: blob.CoursePart, names: Sequence[str], wanted: Collection[str], count: int, data: bytes
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
