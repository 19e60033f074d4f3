"""A course as the bytes that are stored, and back.

Layout, little-endian: version, kind, and a CRC-32 over what follows that begins with the kind (`_FRONT`); a head
(`_HEAD`: number of columns, bins, start and width in ns, when it was made, from when on it is whole, the sizes of the
tail and of the four parts); the columns' names (`columns`); the tail (a blob of its own); then the parts: means, highs,
lows, weights, each all columns one after another and compressed by itself, so that a view inflates what it draws. A
part of size 0 is not there.

A part is written as `wire.packed_columns` has it, in which nodes send them: the parts of a summary are stored as they
came (`as_sent`). A piece that waits to be folded stays uncompressed.

Fed by `history.record` (`pack`, `fold`), read by `history.read` (`unpack`). Bytes that are no such blob are a
`DecodeError` that says what is wrong with them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.hub.history.profiles.columns import read_names, write_names
from slurmlens.hub.history.profiles.course import MOST_BINS, MOST_COLUMNS, Course, head_of, is_kept
from slurmlens.hub.history.profiles.fold import fold_courses
from slurmlens.hub.history.profiles.parts import BlobKind, CoursePart, read_coarse_part, read_fine_part
from slurmlens.wire.packed_columns import (
    check_packed,
    planes_of,
    squeezed,
)
from slurmlens.wire.received import RawProfile

VERSION = 1
_FRONT = struct.Struct("<BBI")
_HEAD = struct.Struct("<BHqqqqH4I")
_NEVER = -1


Wanted = Mapping[CoursePart, Collection[str] | None]
"""Which columns of which parts are to be read, None for all of a part; a part that is not named is not read."""

ALL: Wanted = MappingProxyType(dict.fromkeys(CoursePart))
DRAWN: Wanted = MappingProxyType({CoursePart.MEAN: None, CoursePart.HIGH: ("memory_bytes",), CoursePart.WEIGHT: None})
"""What people are shown: the means, the peak of memory, and the weights with which pieces are put together."""

_KINDS = frozenset(BlobKind)


def pack(course: Course, *, lasting: bool = True) -> bytes:
    """The bytes of a course of at most `MOST_BINS` bins; one that is not `lasting` is cheap to write, and larger."""
    parts = (course.mean, course.high, course.low, course.weight)
    planes = [planes_of([part[name] for name in course.names], course.count) if part else b"" for part in parts]
    return write(course, BlobKind.FINE, [squeezed(plane, lasting=lasting) for plane in planes])


def as_sent(summary: RawProfile, told_ns: int) -> bytes | None:
    """The bytes of a summary's own course with its parts as they came: what `pack(whole_of(…))` would have made.

    None where they cannot stay as they are; DecodeError where they make no sense.
    """
    packed = summary.packed
    if packed is None or packed.bins > MOST_BINS or len(packed.names) > MOST_COLUMNS:
        return None
    course = head_of(summary.start_ns, summary.width_s, packed.bins if packed.names else 0, told_ns)
    if course is None or not all(map(is_kept, packed.names)):
        return None
    parts = packed.parts_in(bytes(summary.columns))
    check_packed(parts, packed.names, packed.bins)
    course.whole_from_ns = course.start_ns
    return write(course, BlobKind.FINE, [*parts, b""], packed.names)


def unpack(data: bytes, wanted: Wanted = ALL) -> Course:
    """The course in a blob with what is wanted of it; DecodeError says what is wrong with one that is damaged.

    Values are what was packed to within `PRECISION`, gaps are gaps.
    """
    course, kind, names, stored = read(data, wanted)
    parts = (
        (CoursePart.MEAN, course.mean),
        (CoursePart.HIGH, course.high),
        (CoursePart.LOW, course.low),
        (CoursePart.WEIGHT, course.weight),
    )
    read_part = read_coarse_part if kind is BlobKind.COARSE else read_fine_part
    for part, columns in parts:
        if stored[part] and part in wanted:
            of_part = wanted[part]
            read_part(columns, part, names, names if of_part is None else of_part, course.count, stored[part])
    return course


def drawn(course: Course) -> Course:
    """What `unpack(…, DRAWN)` makes of a course that was never packed."""
    high = {name: values for name, values in course.high.items() if name in (DRAWN[CoursePart.HIGH] or ())}
    tail = None if course.tail is None else drawn(course.tail)
    return replace(course, low={}, high=high, tail=tail)


def head_bytes(data: bytes) -> bytes:
    """What tells a blob from another one of the same sighting: its checksum, and when it was made."""
    return data[: _FRONT.size + _HEAD.size]


def kind_of(data: bytes) -> BlobKind:
    """How the values of a blob are written."""
    return read(data)[1]


def fold(blobs: Iterable[bytes]) -> bytes:
    """One blob from those of the same sighting: its course so far, and what came since, in any order."""
    return pack(fold_courses([unpack(blob) for blob in blobs]))


def write(course: Course, kind: BlobKind, parts: list[bytes], names: Sequence[str] | None = None) -> bytes:
    """Head, names (the course's own where none are given), tail and these parts."""
    tail = pack(course.tail, lasting=False) if course.tail else b""
    whole_ns = _NEVER if course.whole_from_ns is None else course.whole_from_ns
    if names is None:
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
