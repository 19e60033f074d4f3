"""Requests whose profiles are packed, as nodes send them to a hub that takes them; pure. `docs/specs/hub-api.md`.

Owns the second spelling of profiles on the road, schema 2: of a line with a profile `columns` are left out, and
`packed` says where in the request they lie and how they are written (`wire.packed_columns`). A request of this kind is

    "slp2" size              4 bytes, unsigned 32 bits big-endian
    lines                    `size` bytes: NDJSON, gzip
    profiles                 the columns of all lines one after another

so that a line stays JSON, and columns are neither decoded nor compressed a second time. Lines of other kinds, and any
line that cannot be packed, stand in it as they were. Invariants: unpacking gives what the node would have sent as JSON,
to within `PRECISION`; a body that is none is a `DecodeError`; no more is unpacked than the taker allows.

Made by the hub sink out of the lines of the spool (which holds JSON alone: all other receivers take that), read by the
hub's intake.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import NamedTuple

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.events import SCHEMA_VERSION, Name, Unsigned
from slurmlens.wire.packed_columns import Bin, PackedParts, measured_columns, pack_columns

PACKED_SCHEMA_VERSION = 2
PACKED_TYPE = "application/x-slurmlens-packed"
"""Content-Type of such a request."""

_MAGIC = b"slp2"
_FRONT = struct.Struct(">4sI")
_GZIP = 31
_HAS_PROFILE = b'"profile":{'
_SCHEMA = b'"schema":%d,' % SCHEMA_VERSION
_PACKED_SCHEMA = b'"schema":%d,' % PACKED_SCHEMA_VERSION


class PackedColumns(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Columns of `bins` bins each, by their names; `at` is where they begin among the request's profiles.

    `sizes` are those of the three parts in the order in which they lie there: means, highest, lowest values.
    """

    names: tuple[Name, ...]
    bins: Unsigned
    at: Unsigned
    sizes: tuple[Unsigned, Unsigned, Unsigned]

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes)

    def bytes_in(self, profiles: bytes) -> bytes:
        """Its own out of the request's; DecodeError where the request ends before."""
        own = profiles[self.at : self.at + self.size_bytes]
        if len(own) != self.size_bytes:
            raise DecodeError(f"packed columns at {self.at} of {len(profiles)} bytes", reason="profile")
        return own

    def parts_in(self, own: bytes) -> PackedParts:
        """The three parts in its own bytes."""
        mean, high, _ = self.sizes
        return PackedParts(own[:mean], own[mean : mean + high], own[mean + high :])


class SplitBody(NamedTuple):
    """The two halves of a request: its lines, as gzip, and the columns of its profiles."""

    lines: bytes
    profiles: bytes


def pack_body(payload: bytes, level: int) -> bytes | None:
    """The request for lines of NDJSON; None where none of them has a profile. `level` is gzip's, of the lines."""
    if _HAS_PROFILE not in payload:
        return None
    profiles = bytearray()
    lines = [
        _with_packed(line, profiles) if _HAS_PROFILE in line else line for line in payload.splitlines(keepends=True)
    ]
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    packed = packer.compress(b"".join(lines)) + packer.flush()
    return b"".join((_FRONT.pack(_MAGIC, len(packed)), packed, profiles)) if profiles else None


def split_body(body: bytes) -> SplitBody:
    """The halves of a request; DecodeError where it is none."""
    if len(body) < _FRONT.size or not body.startswith(_MAGIC):
        raise DecodeError(f"no packed request: it begins with {body[:4]!a}", reason="packed")
    _, size = _FRONT.unpack_from(body)
    end = _FRONT.size + size
    if end > len(body):
        raise DecodeError(f"a packed request whose lines have {size} of {len(body)} bytes", reason="packed")
    return SplitBody(body[_FRONT.size : end], body[end:])


class _ProfileColumns(msgspec.Struct, frozen=True, gc=False):
    columns: msgspec.Raw


class _ProfileEvent(msgspec.Struct, frozen=True, gc=False):
    profile: _ProfileColumns | None = None


class _ProfileDocument(msgspec.Struct, frozen=True, gc=False):
    slurm: _ProfileEvent


@cache
def _decoder() -> msgspec.json.Decoder[_ProfileDocument]:
    """Made where the first profile is sent: a node without a hub needs none (ADR 19)."""
    return msgspec.json.Decoder(_ProfileDocument)


@cache
def _columns_decoder() -> msgspec.json.Decoder[dict[str, list[Bin]]]:
    return msgspec.json.Decoder(dict[str, list[Bin]])


def _with_packed(line: bytes, profiles: bytearray) -> bytes:
    """The line with its columns appended to `profiles`; as it was where that cannot be done."""
    try:
        profile = _decoder().decode(line).slurm.profile
        columns = _columns_decoder().decode(profile.columns) if profile is not None else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line  # the hub says what is wrong with it
    counts = {len(column) for column in columns.values()}
    if profile is None or len(counts) != 1 or 0 in counts:
        return line
    (count,) = counts
    parts = pack_columns(measured_columns(list(columns.values()), count), count)
    sizes = (len(parts.mean), len(parts.high), len(parts.low))
    packed = msgspec.json.encode(PackedColumns(names=tuple(columns), bins=count, at=len(profiles), sizes=sizes))
    before, _, after = line.partition(b'"columns":' + bytes(profile.columns))
    if not after or _SCHEMA not in before:
        return line
    profiles += b"".join(parts)
    return before.replace(_SCHEMA, _PACKED_SCHEMA, 1) + b'"packed":' + packed + after
