"""A course as the bytes that are stored, and back.

Layout, little-endian: version, kind, and a CRC-32 over what follows that begins with the kind (`_FRONT`); a head
(`_HEAD`: number of columns, bins, start and width in ns, when it was made, from when on it is whole, the sizes of the
tail and of the four parts); the columns' names (`columns`); the tail (a blob of its own); then the parts: means, highs,
lows, weights, each all columns one after another and compressed by itself, so that a view inflates what it draws. A
part of size 0 is not there.

A value is a float32 rounded to 11 bits of mantissa (`PRECISION`: relative, half a unit of the last bit kept). The upper
three bytes of a column's values are laid apart (all second bytes, then all third, all fourth), which zlib makes a
quarter smaller. Its level is 1: higher ones cost three times as much for a twentieth. A piece that waits to be folded
stays uncompressed.

Fed by `history.record` (`pack`, `fold`), read by `history.read` (`unpack`). Bytes that are no such blob are a
`DecodeError` that says what is wrong with them.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType

from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.hub.history.profiles.columns import read_names, write_names
from slurmlens.hub.history.profiles.course import MOST_BINS, MOST_COLUMNS, Columns, Course
from slurmlens.hub.history.profiles.fold import fold_courses

VERSION = 1
PRECISION = 2**-12
_FRONT = struct.Struct("<BBI")
_HEAD = struct.Struct("<BHqqqqH4I")
_NEVER = -1
_KEPT_BYTES = 3
_PLAIN_BYTES = 96
"""So few do not become fewer."""
_LOW_NIBBLE_CLEARED = bytes(value & 0xF0 for value in range(256))


class BlobKind(IntEnum):
    """How values are written: as three bytes of a float32, or as one byte of a scale (`coarse`)."""

    FINE = 0
    COARSE = 1


class CoursePart(IntEnum):
    """The parts of a course in the order in which they stand in a blob."""

    MEAN = 0
    HIGH = 1
    LOW = 2
    WEIGHT = 3


Wanted = Mapping[CoursePart, Collection[str] | None]
"""Which columns of which parts are to be read, None for all of a part; a part that is not named is not read."""

ALL: Wanted = MappingProxyType(dict.fromkeys(CoursePart))
DRAWN: Wanted = MappingProxyType({CoursePart.MEAN: None, CoursePart.HIGH: ("memory_bytes",), CoursePart.WEIGHT: None})
"""What people are shown: the means, the peak of memory, and the weights with which pieces are put together."""

_KINDS = frozenset(BlobKind)


def pack(course: Course, *, lasting: bool = True) -> bytes:
    """The bytes of a course of at most `MOST_BINS` bins; one that is not `lasting` is cheap to write, and larger."""
    parts = (course.mean, course.high, course.low, course.weight)
    planes = [_planes([part[name] for name in course.names], course.count) if part else b"" for part in parts]
    return write(course, BlobKind.FINE, [squeezed(plane, lasting=lasting) for plane in planes])


def unpack(data: bytes, wanted: Wanted = ALL) -> Course:
    """The course in a blob with what is wanted of it; DecodeError says what is wrong with one that is damaged.

    Values are what was packed to within `PRECISION`, gaps are gaps.
    """
    from slurmlens.hub.history.profiles.coarse import read_coarse_part

    course, kind, names, stored = read(data, wanted)
    parts = (
        (CoursePart.MEAN, course.mean),
        (CoursePart.HIGH, course.high),
        (CoursePart.LOW, course.low),
        (CoursePart.WEIGHT, course.weight),
    )
    read_part = read_coarse_part if kind is BlobKind.COARSE else _read_part
    for part, columns in parts:
        if stored[part] and part in wanted:
            of_part = wanted[part]
            read_part(columns, part, names, names if of_part is None else of_part, course.count, stored[part])
    return course


def kind_of(data: bytes) -> BlobKind:
    """How the values of a blob are written."""
    return read(data)[1]


def fold(blobs: Iterable[bytes]) -> bytes:
    """One blob from those of the same sighting: its course so far, and what came since, in any order."""
    return pack(fold_courses([unpack(blob) for blob in blobs]))


def write(course: Course, kind: BlobKind, parts: list[bytes]) -> bytes:
    """Head, names, tail and these parts."""
    tail = pack(course.tail, lasting=False) if course.tail else b""
    whole_ns = _NEVER if course.whole_from_ns is None else course.whole_from_ns
    names = course.names if course.count else ()
    sizes = [len(part) for part in parts]
    times = (course.start_ns, course.width_ns, course.told_ns, whole_ns)
    body = (_HEAD.pack(len(names), course.count, *times, len(tail), *sizes), write_names(names), tail, *parts)
    rest = b"".join(body)
    return _FRONT.pack(VERSION, kind, zlib.crc32(rest, kind)) + rest


def read(data: bytes, wanted: Wanted = ALL) -> tuple[Course, BlobKind, tuple[str, ...], list[bytes]]:
    """A course without values, how they are written, the columns' names and the four parts as they are stored."""
    if len(data) < _FRONT.size + _HEAD.size:
        raise DecodeError(f"a stored course of {len(data)} bytes: its head alone has {_FRONT.size + _HEAD.size}")
    version, kind, checksum = _FRONT.unpack_from(data)
    if version != VERSION:
        raise UnsupportedVersion(f"a stored course of version {version}; this release reads version {VERSION}")
    if zlib.crc32(memoryview(data)[_FRONT.size :], kind) != checksum:
        raise DecodeError(f"a stored course of {len(data)} bytes whose checksum is not that of its bytes")
    column_count, count, start_ns, width_ns, told_ns, whole_ns, tail_size, *sizes = _HEAD.unpack_from(data, _FRONT.size)
    if kind not in _KINDS or column_count > MOST_COLUMNS or count > MOST_BINS or width_ns <= 0:
        raise DecodeError(f"a stored course of kind {kind} with {column_count} columns of {count} bins")
    names, offset = read_names(data, column_count, _FRONT.size + _HEAD.size)
    course = Course(start_ns=start_ns, width_ns=width_ns, count=count, told_ns=told_ns)
    course.whole_from_ns = None if whole_ns == _NEVER else whole_ns
    course.tail = unpack(data[offset : offset + tail_size], wanted) if tail_size else None
    parts, offset = [], offset + tail_size
    for size in sizes:
        parts.append(data[offset : offset + size])
        offset += size
    return course, BlobKind(kind), names, parts


def _planes(columns: Sequence[array[float]], count: int) -> bytes:
    """Rounded, the lowest byte dropped, the others of each column laid apart."""
    lanes = count * len(columns)
    half = int.from_bytes(b"\x00\x08\x00\x00" * lanes, "little")
    # one addition for all: the carry out of a lane is never set, for no value is a negative NaN
    rounded = (int.from_bytes(b"".join(map(_little, columns)), "little") + half).to_bytes(4 * lanes, "little")
    planes = rounded[1::4].translate(_LOW_NIBBLE_CLEARED), rounded[2::4], rounded[3::4]
    return b"".join(plane[begin : begin + count] for begin in range(0, lanes, count or 1) for plane in planes)


def squeezed(planes: bytes, *, lasting: bool = True) -> bytes:
    """Compressed, or as they are with a byte before them; nothing of nothing."""
    if not planes:
        return b""
    return zlib.compress(planes, 1) if lasting and len(planes) > _PLAIN_BYTES else b"\0" + planes


def inflated(data: bytes, size: int) -> bytes:
    """The first `size` bytes of what `squeezed` made; never more is unpacked, whatever the bytes claim."""
    if data[0] == 0:
        planes = data[1 : size + 1]
    else:
        try:
            planes = zlib.decompressobj().decompress(data, max(1, size))
        except zlib.error as error:
            raise DecodeError(f"a part of a stored course does not unpack: {error}") from None
    if len(planes) != size:
        raise DecodeError(f"a part of a stored course has {len(planes)} bytes, not {size}")
    return planes


def _read_part(
    columns: Columns, part: CoursePart, names: Sequence[str], wanted: Collection[str], count: int, data: bytes
) -> None:
    places = [index for index, name in enumerate(names) if name in wanted]
    size = _KEPT_BYTES * count
    planes = inflated(data, size * (places[-1] + 1)) if places else b""
    for index in places:
        begin = size * index
        raw = bytearray(4 * count)
        raw[1::4] = planes[begin : begin + count]
        raw[2::4] = planes[begin + count : begin + 2 * count]
        raw[3::4] = planes[begin + 2 * count : begin + size]
        values = array("f", bytes(raw))
        if sys.byteorder == "big":
            values.byteswap()
        columns[names[index]] = values


def _little(values: array[float]) -> bytes:
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()
