"""Columns of a profile as bytes, and back: what travels packed from node to hub, and what the hub keeps of a course.

Owns how measured values are written. Columns become `array('f')`; a gap is (inf, -1, -inf), for no metric is negative:
`min` and `max` pass over it, and it sorts before every value. A value is a float32 rounded to 11 bits of mantissa
(`PRECISION`: relative, half a unit of the last bit kept). The upper three bytes of a column's values are laid apart
(all second bytes, then all third, all fourth), which zlib makes a quarter smaller. Its level is 1: higher ones cost
three times as much for a twentieth. Columns of one part (means, highest, lowest values) stand one after another and are
compressed together, so that whoever needs the first ones inflates no more.

Pure. Nodes pack by it (`wire.packed_body`); the hub reads what they sent, and writes its courses in the same way
(`hub.history.profiles.blob`), so that a part is stored as it came. Bytes that are no such part are a `DecodeError`.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

from slurmlens.errors import DecodeError

Bin: TypeAlias = tuple[float | None, float | None, float | None]
"""`events.Point` as a plain tuple: lowest, mean, highest."""

PRECISION = 2**-12
KEPT_BYTES = 3
"""Of a value."""
GAP_LOW, GAP_MEAN, GAP_HIGH = math.inf, -1.0, -math.inf
_GREATEST = 3e38
"""A little below the greatest float32: what is reported above it is no measurement."""
_PLAIN_BYTES = 96
"""So few do not become fewer."""
_LOW_NIBBLE_CLEARED = bytes(value & 0xF0 for value in range(256))
_PLAIN_TOPS = bytes(range(0x7F))
"""The top byte (sign and seven bits of exponent) of every value from 0 to 1.7e38: neither negative nor infinite."""


class Bins(NamedTuple):
    """The lowest, mean and highest values of one metric."""

    low: array[float]
    mean: array[float]
    high: array[float]


class PackedParts(NamedTuple):
    """All columns' means, highest and lowest values; each part compressed by itself."""

    mean: bytes
    high: bytes
    low: bytes


def measured_columns(columns: Sequence[Sequence[Bin]], count: int) -> list[Bins]:
    """Columns of at most `count` bins as arrays of so many: what is missing, or no measurement, becomes a gap."""
    measured = _all_measured(columns, count)
    if measured is None:
        return [_bins(column, count) for column in columns]
    places = (slice(begin, begin + count) for begin in range(0, count * len(columns), count or 1))
    return [Bins(measured.low[own], measured.mean[own], measured.high[own]) for own in places]


def pack_columns(columns: Sequence[Bins], count: int) -> PackedParts:
    """Columns of `count` bins each as bytes."""
    parts = ([one.mean for one in columns], [one.high for one in columns], [one.low for one in columns])
    return PackedParts(*(squeezed(planes_of(part, count)) for part in parts))


def unpack_columns(parts: PackedParts, names: Sequence[str], count: int) -> dict[str, Bins]:
    """The columns of these names; DecodeError where the bytes are none, or a value is neither measured nor a gap."""
    mean, high, low = (inflated(part, KEPT_BYTES * count * len(names)) if names and count else b"" for part in parts)
    columns = {
        name: Bins(*(column_of(planes, index, count) for planes in (low, mean, high)))
        for index, name in enumerate(names)
    }
    for name, bins in columns.items():
        if not _is_sane(bins):
            raise DecodeError(f"a packed profile whose {name[:64]} is no measurement", reason="value")
    return columns


def check_packed(parts: PackedParts, names: Sequence[str], count: int) -> None:
    """DecodeError where `unpack_columns` would raise it; no column is made where all values are plainly measured."""
    size = KEPT_BYTES * count * len(names)
    if not all(_is_plain(inflated(part, size), count) for part in parts):
        unpack_columns(parts, names, count)


def planes_of(columns: Iterable[array[float]], count: int) -> bytes:
    """Columns of `count` values: rounded, the lowest byte dropped, the others of each column laid apart."""
    little = b"".join(map(_little, columns))
    lanes = len(little) // 4
    half = int.from_bytes(b"\x00\x08\x00\x00" * lanes, "little")
    # one addition for all: the carry out of a lane is never set, for no value is a negative NaN
    rounded = (int.from_bytes(little, "little") + half).to_bytes(4 * lanes, "little")
    planes = rounded[1::4].translate(_LOW_NIBBLE_CLEARED), rounded[2::4], rounded[3::4]
    return b"".join(plane[begin : begin + count] for begin in range(0, lanes, count or 1) for plane in planes)


def column_of(planes: bytes, index: int, count: int) -> array[float]:
    """The column at a place in what `planes_of` made."""
    size = KEPT_BYTES * count
    begin = size * index
    raw = bytearray(4 * count)
    raw[1::4] = planes[begin : begin + count]
    raw[2::4] = planes[begin + count : begin + 2 * count]
    raw[3::4] = planes[begin + 2 * count : begin + size]
    values = array("f", bytes(raw))
    if sys.byteorder == "big":
        values.byteswap()
    return values


def squeezed(planes: bytes, *, lasting: bool = True) -> bytes:
    """Compressed, or as they are with a byte before them; nothing of nothing."""
    if not planes:
        return b""
    return zlib.compress(planes, 1) if lasting and len(planes) > _PLAIN_BYTES else b"\0" + planes


def inflated(data: bytes, size: int) -> bytes:
    """The first `size` bytes of what `squeezed` made; never more is unpacked, whatever the bytes claim."""
    if data[:1] == b"\0":
        planes = data[1 : size + 1]
    else:
        try:
            planes = zlib.decompressobj().decompress(data, max(1, size))
        except zlib.error as error:
            raise DecodeError(f"columns of a profile do not unpack: {error}") from None
    if len(planes) != size:
        raise DecodeError(f"columns of a profile have {len(planes)} bytes, not {size}")
    return planes


def measured_of(columns: Mapping[str, Sequence[Bin]], count: int) -> dict[str, Bins]:
    """`measured_columns` by name."""
    return dict(zip(columns, measured_columns(list(columns.values()), count), strict=True))


def _is_plain(planes: bytes, count: int) -> bool:
    """Whether all values are from 0 to 1.7e38; told by their top bytes."""
    tops = (planes[end - count : end] for end in range(KEPT_BYTES * count, len(planes) + 1, KEPT_BYTES * count or 1))
    return not b"".join(tops).translate(None, _PLAIN_TOPS)


def _is_sane(bins: Bins) -> bool:
    """Whether every bin is a measurement or a gap."""
    return all(
        (0 <= low < math.inf and 0 <= mean < math.inf and 0 <= high < math.inf)
        or (low, mean, high) == (GAP_LOW, GAP_MEAN, GAP_HIGH)
        for low, mean, high in zip(*bins, strict=True)
    )


def _all_measured(columns: Sequence[Sequence[Bin]], count: int) -> Bins | None:
    """The bins of all columns one after another; None where one is shorter, or a number is no measurement."""
    flat = list(chain.from_iterable(chain.from_iterable(columns)))
    if not flat or len(flat) != 3 * count * len(columns):
        return None
    values = array("f")
    try:
        values.frombytes(struct.pack(f"{len(flat)}f", *flat))  # twice as fast as array("f", flat)
    except (struct.error, OverflowError):  # a None, or more than a float32 holds
        return None
    bins = _thirds(values)
    is_low_enough = max(max(bins.low), max(bins.mean), max(bins.high)) <= _GREATEST
    is_plain = is_low_enough and min(bins.low) >= 0 <= min(bins.mean) and min(bins.high) >= 0
    return bins if is_plain and not math.isnan(sum(bins.mean)) else None


def _bins(received: Sequence[Bin], count: int) -> Bins:
    bins = _thirds(array("f", [number for one in received for number in _measured(*one)]))
    missing = count - len(received)
    if missing:
        for part, gap in zip(bins, (GAP_LOW, GAP_MEAN, GAP_HIGH), strict=True):
            part.extend([gap] * missing)
    return bins


def _thirds(values: array[float]) -> Bins:
    return Bins(values[0::3], values[1::3], values[2::3])


def _measured(low: float | None, mean: float | None, high: float | None) -> tuple[float, float, float]:
    """A bin whose mean is a measurement; a missing or impossible extreme is taken from the mean."""
    if mean is None or not 0 <= mean <= _GREATEST:
        return GAP_LOW, GAP_MEAN, GAP_HIGH
    low = low if low is not None and 0 <= low <= mean else mean
    high = high if high is not None and mean <= high <= _GREATEST else mean
    return low, mean, high


def _little(values: array[float]) -> bytes:
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()
