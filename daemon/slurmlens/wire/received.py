"""Events as the hub takes them: everything decoded once but the columns of profiles, which stay as they came; pure.

A profile is four fifths of what a node sends, and nothing that is concluded of a job depends on its values, so its
`columns` are kept raw here until somebody packs or draws them (measured: 5 us a line instead of 16 with all points).
Whoever packs them takes `bins_of`: plain tuples cost half of what `events.Point`s do, and nobody but C looks at them.
Columns come as JSON (schema 1) or packed beside the lines (schema 2, `wire.packed_body`).
Invariants: `bins_of` gives what `wire.ecs.decode` would have given, or a DecodeError; a document of another
`slurm.schema` is refused as such; every field that is not raw is checked as `wire.ecs` and `wire.event_values` do.
Fed by the hub's intake; `history.record` stores what comes out, and the lines themselves as they were sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, NamedTuple, TypeGuard

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.events import (
    SCHEMA_VERSION,
    Event,
    EventKind,
    Identifier,
    JobEnd,
    JobId,
    JobIdentity,
    JobMessage,
    JobProgress,
    JobStart,
    LinesDropped,
    MachineState,
    NodeHeartbeat,
    NodeSoftware,
    Totals,
    Unsigned,
    Witness,
)
from slurmlens.wire.ecs import MAX_LINE_BYTES, MAX_MESSAGE_CHARS, decode, schema_of
from slurmlens.wire.event_values import MAX_BINS, check_columns
from slurmlens.wire.packed_body import PACKED_SCHEMA_VERSION, PackedColumns
from slurmlens.wire.packed_columns import Bin, Bins, unpack_columns

READ_SCHEMAS = (SCHEMA_VERSION, PACKED_SCHEMA_VERSION)
"""What is told to those who send: a node packs profiles for a hub that reads them."""

MOST_PACKED_COLUMNS = 256
_NUL = b"\\u0000"
_NOTHING = msgspec.Raw()


class RawProfile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A profile whose columns are what came: JSON, or the bytes that `packed` describes."""

    start_ns: Unsigned
    width_s: float
    columns: msgspec.Raw = _NOTHING
    packed: PackedColumns | None = None


class ReceivedBins(NamedTuple):
    """`events.Profile` with plain tuples for its points."""

    start_ns: int
    width_s: float
    columns: Mapping[str, Sequence[Bin]]


class PackedBins(NamedTuple):
    """A profile that came packed: columns of so many bins each."""

    start_ns: int
    width_s: float
    bins: int
    columns: Mapping[str, Bins]


class ReceivedProfile(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.JOB_PROFILE.value):
    """`events.JobProfile` with its columns raw."""

    sighting: Identifier
    job_id: JobId
    profile: RawProfile


class ReceivedSummary(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.JOB_SUMMARY.value):
    """`events.JobSummary` with its profile's columns raw."""

    sighting: Identifier
    job: JobIdentity
    start_ns: Unsigned
    end_ns: Unsigned
    start_witness: Witness
    end_witness: Witness
    unseen_s: Annotated[float, msgspec.Meta(ge=0, le=1e12)]
    slot: Unsigned | None
    totals: Totals
    profile: RawProfile | None


SightingEvent = JobStart | JobEnd | ReceivedProfile | ReceivedSummary
ReceivedEvent = SightingEvent | NodeHeartbeat | LinesDropped | JobProgress | JobMessage | MachineState | NodeSoftware


class ReceivedLine(NamedTuple):
    """One line of a body, from 1, and the event in it."""

    number: int
    event: ReceivedEvent


class _ReceivedDocument(msgspec.Struct, frozen=True, gc=False):
    slurm: ReceivedEvent


_decoder = msgspec.json.Decoder(_ReceivedDocument)
_bins_decoder = msgspec.json.Decoder(dict[str, list[Bin]])


def received_lines(body: bytes, profiles: bytes = b"") -> Iterator[tuple[int, ReceivedEvent | DecodeError]]:
    """Every line of NDJSON with its number, from 1: the event, or why it is none. Empty lines are passed over.

    `profiles` are the columns that lie beside the lines of a packed request.
    """
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            yield number, receive(line, profiles)
        except DecodeError as error:
            yield number, error


def receive(line: bytes, profiles: bytes = b"") -> ReceivedEvent:
    """The event in one line; DecodeError with the reasons of `ecs.decode`, `value` for a NUL in a text, or `profile`
    where packed columns do not lie among the `profiles`.

    PostgreSQL cannot hold a NUL in a text, and no name in Slurm has one.
    """
    if len(line) > MAX_LINE_BYTES:
        raise DecodeError(f"{len(line)} bytes, at most {MAX_LINE_BYTES} are allowed", reason="too_long")
    if _NUL in line:
        raise DecodeError("a NUL character in a text", reason="value")
    try:
        event = _decoder.decode(line).slurm
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if schema_of(line) != PACKED_SCHEMA_VERSION:
            decode(line)  # says what is wrong in the words that nodes and relays know
        raise DecodeError(str(error)[:MAX_MESSAGE_CHARS], reason="field") from error
    if event.schema == PACKED_SCHEMA_VERSION:
        return _with_columns(event, profiles)
    if event.schema != SCHEMA_VERSION or _lacks_columns(event):
        decode(line)
        raise DecodeError("a profile without columns", reason="field")
    return event


def bins_of(raw: RawProfile) -> ReceivedBins | PackedBins:
    """The profile with plain tuples, or arrays, for its points; DecodeError where the columns make no sense."""
    if raw.packed is None:
        return ReceivedBins(raw.start_ns, raw.width_s, _columns(raw))
    packed = raw.packed
    columns = unpack_columns(packed.parts_in(bytes(raw.columns)), packed.names, packed.bins)
    return PackedBins(raw.start_ns, raw.width_s, packed.bins, columns)


def has_profile(event: ReceivedEvent) -> TypeGuard[ReceivedProfile | ReceivedSummary]:
    """Whether an event has a profile."""
    return isinstance(event, ReceivedProfile | ReceivedSummary) and event.profile is not None


def _lacks_columns(event: ReceivedEvent) -> bool:
    if not isinstance(event, ReceivedProfile | ReceivedSummary) or event.profile is None:
        return False
    return event.profile.packed is not None or not event.profile.columns


def _with_columns(event: ReceivedEvent, profiles: bytes) -> ReceivedEvent:
    """An event of schema 2 with its own of the request's columns."""
    if not isinstance(event, ReceivedProfile | ReceivedSummary) or event.profile is None:
        return event
    packed = event.profile.packed
    if packed is None:
        raise DecodeError("a profile of schema 2 that is not packed", reason="field")
    if not 0 < packed.bins <= MAX_BINS or not 0 < len(packed.names) <= MOST_PACKED_COLUMNS:
        raise DecodeError(f"{len(packed.names)} packed columns of {packed.bins} bins", reason="value")
    if len(set(packed.names)) != len(packed.names):
        raise DecodeError("a packed profile that names a column twice", reason="value")
    own = msgspec.Raw(packed.bytes_in(profiles))
    return msgspec.structs.replace(event, profile=msgspec.structs.replace(event.profile, columns=own))


def _columns(raw: RawProfile) -> dict[str, list[Bin]]:
    try:
        columns = _bins_decoder.decode(raw.columns)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"a profile's columns: {error}"[:MAX_MESSAGE_CHARS], reason="field") from error
    check_columns(columns)
    return columns
