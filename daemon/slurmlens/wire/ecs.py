"""Events as NDJSON in the form of the Elastic Common Schema, and back; pure. `docs/events.md` is the reference.

Owns the one JSON shape in which events leave a node: the same document goes to the hub, to logstash, to Kafka and into
a file. `slurm` is the event itself, whole, shaped as the types of `events` are; everything else (`@timestamp`,
`event.*`, `host.*`, `user.*`) is a view of it for those who search by ECS's names, and is not read back.

Invariants: decode(encode(event)) == event; a document of another `slurm.schema` is refused as such; nothing is raised
but DecodeError. Fed by `node.batcher` (encode); feeds the hub's ingest (decode).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.events import KIND_OF, SCHEMA_VERSION, AnyEvent, EventKind, JobIdentity

MAX_LINE_BYTES = 2 * 1024 * 1024
MAX_MESSAGE_CHARS = 300
ECS_VERSION = "8.11.0"


class Category(NamedTuple):
    """What ECS calls the events of a kind, in its closed vocabularies."""

    kind: str
    category: tuple[str, ...]
    type: tuple[str, ...]
    dataset: str


CATEGORY_OF: dict[EventKind, Category] = {
    EventKind.JOB_START: Category("event", ("process",), ("start",), "slurmlens.job"),
    EventKind.JOB_END: Category("event", ("process",), ("end",), "slurmlens.job"),
    EventKind.JOB_PROFILE: Category("metric", ("process",), ("info",), "slurmlens.profile"),
    EventKind.JOB_SUMMARY: Category("metric", ("process",), ("info",), "slurmlens.summary"),
    EventKind.NODE_HEARTBEAT: Category("state", ("host",), ("info",), "slurmlens.node"),
    EventKind.LINES_DROPPED: Category("event", ("host",), ("info",), "slurmlens.node"),
    EventKind.JOB_PROGRESS: Category("metric", ("process",), ("info",), "slurmlens.progress"),
    EventKind.JOB_MESSAGE: Category("event", ("process",), ("info",), "slurmlens.message"),
    EventKind.NODE_STATE: Category("metric", ("host",), ("info",), "slurmlens.node_state"),
    EventKind.NODE_SOFTWARE: Category("state", ("package",), ("info",), "slurmlens.node_software"),
}

_ACTION_AND_CATEGORY = {event_type: (kind.value, *CATEGORY_OF[kind]) for event_type, kind in KIND_OF.items()}


class _Ecs(msgspec.Struct, frozen=True):
    version: str


class _EventFields(msgspec.Struct, frozen=True):
    id: str
    sequence: int
    action: str
    kind: str
    category: tuple[str, ...]
    type: tuple[str, ...]
    dataset: str


class _Boot(msgspec.Struct, frozen=True):
    id: str


class _Host(msgspec.Struct, frozen=True):
    name: str
    boot: _Boot


class _Group(msgspec.Struct, frozen=True):
    id: str


class _User(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str | None = None
    name: str | None = None
    group: _Group | None = None


class _Written(msgspec.Struct, frozen=True):
    """A document as it is written."""

    timestamp: str = msgspec.field(name="@timestamp")
    ecs: _Ecs
    event: _EventFields
    host: _Host
    user: _User | msgspec.UnsetType
    slurm: AnyEvent


class _Read(msgspec.Struct, frozen=True):
    """The part of a document that is read back."""

    slurm: AnyEvent


class _Schema(msgspec.Struct, frozen=True):
    schema: int


class _Versioned(msgspec.Struct, frozen=True):
    slurm: _Schema


_ecs = _Ecs(ECS_VERSION)
_encoder = msgspec.json.Encoder()


@cache
def _decoder() -> msgspec.json.Decoder[_Read]:
    """Made where it is needed: a node writes events, and reads none (ADR 19)."""
    return msgspec.json.Decoder(_Read)


@cache
def _version_decoder() -> msgspec.json.Decoder[_Versioned]:
    return msgspec.json.Decoder(_Versioned)


# The first covers ValidationError, which callers that care catch before.
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encode(event: AnyEvent) -> bytes:
    """One document: one line without the newline at its end."""
    return _encoder.encode(
        _Written(
            timestamp(event.time_ns),
            _ecs,
            _EventFields(event.id, event.boottime_ns, *_ACTION_AND_CATEGORY[type(event)]),
            _Host(event.node, _Boot(event.boot_id)),
            _user(getattr(event, "job", None)),
            event,
        )
    )


def decode(line: bytes) -> AnyEvent:
    """The event in one line.

    Raises DecodeError with reason `too_long`, `malformed` (no JSON) or `field` (missing, of a wrong type or value; the
    message names it as a path), UnsupportedVersion where `slurm.schema` is not ours.
    """
    if len(line) > MAX_LINE_BYTES:
        raise DecodeError(f"{len(line)} bytes, at most {MAX_LINE_BYTES} are allowed", reason="too_long")
    try:
        event = _decoder().decode(line).slurm
    except msgspec.ValidationError as error:
        _check_schema(line)
        raise DecodeError(str(error)[:MAX_MESSAGE_CHARS], reason="field") from error
    except _NO_JSON as error:
        raise DecodeError(f"no JSON: {error}"[:MAX_MESSAGE_CHARS]) from error
    if event.schema != SCHEMA_VERSION:
        raise _unsupported(event.schema)
    return event


def decode_lines(body: bytes) -> Iterator[tuple[int, AnyEvent | DecodeError]]:
    """Every line of NDJSON with its number, from 1: the event, or why it is none. Empty lines are passed over."""
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, decode(line)
        except DecodeError as error:
            yield number, error


def timestamp(time_ns: int) -> str:
    """Nanoseconds since the epoch as RFC 3339 in UTC, always with nine digits."""
    seconds, nanoseconds = divmod(time_ns, NS_PER_S)
    return f"{_to_the_second(seconds)}.{nanoseconds:09d}Z"


@lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def schema_of(line: bytes) -> int | None:
    """The schema that a document says it has, whatever else is in it; None where it says none."""
    try:
        return _version_decoder().decode(line).slurm.schema
    except _NO_JSON:
        return None


def _check_schema(line: bytes) -> None:
    """A document of another schema may well not fit our types: then the schema is what is to be told."""
    schema = schema_of(line)
    if schema is not None and schema != SCHEMA_VERSION:
        raise _unsupported(schema)


def _unsupported(schema: int) -> UnsupportedVersion:
    return UnsupportedVersion(f"slurm.schema: {schema}, this release reads {SCHEMA_VERSION}")


def _user(job: JobIdentity | None) -> _User | msgspec.UnsetType:
    """Whose job it is, as ECS has it."""
    if job is None or (job.user_id is None and job.user_name is None):
        return msgspec.UNSET
    group = None if job.group_id is None else _Group(str(job.group_id))
    return _User(None if job.user_id is None else str(job.user_id), job.user_name, group)
