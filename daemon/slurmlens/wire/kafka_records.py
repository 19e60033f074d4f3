"""Events and log lines as Kafka records; pure: lines of NDJSON in, key, value, time and headers out.

Owns what a record of ours looks like. The value is the line itself, byte for byte; of the line only what key, time and
headers need is decoded. The key decides the partition, and order is kept within a partition alone, so all events of a
job have the same key:

    <cluster>/<job id>          everything that is told of a job, by any of its nodes
    <cluster>/node/<node>       what is told of the node itself
    <node>                      its log lines

Invariants: records keep the order of the lines; a line that is no event is told by its number and spoils only itself.
Fed by `node.sinks.kafka` with what `wire.ecs` wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.events import EventKind, Identifier, JobId, Name, Unsigned

_NS_PER_MS = 1_000_000
_MAX_MESSAGE_CHARS = 200

HEADER_ID = "slurm.id"
HEADER_KIND = "slurm.kind"
HEADER_SCHEMA = "slurm.schema"


class KafkaRecord(NamedTuple):
    """One record; `timestamp_ms` is the event's own, since the epoch."""

    key: bytes
    value: bytes
    timestamp_ms: int
    headers: tuple[tuple[str, bytes], ...]


class _Job(msgspec.Struct, frozen=True):
    job_id: JobId


class _Slurm(msgspec.Struct, frozen=True):
    """What of an event is looked at; a job's id stands in `job` or, where only that is told, beside it."""

    schema: Unsigned
    kind: EventKind
    id: Identifier
    time_ns: Unsigned
    cluster: Name
    node: Name
    job: _Job | None = None
    job_id: JobId | None = None


class _Document(msgspec.Struct, frozen=True):
    slurm: _Slurm


_decode = msgspec.json.Decoder(_Document).decode


def record(line: bytes) -> KafkaRecord:
    """The record of one document, without the newline at its end. Raises DecodeError where it is no event."""
    try:
        event = _decode(line).slurm
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"no event: {error}"[:_MAX_MESSAGE_CHARS]) from error
    headers = (
        (HEADER_ID, event.id.encode()),
        (HEADER_KIND, event.kind.value.encode()),
        (HEADER_SCHEMA, b"%d" % event.schema),
    )
    return KafkaRecord(_key(event), line, event.time_ns // _NS_PER_MS, headers)


class _LogEvent(msgspec.Struct, frozen=True):
    id: Name


class _LogHost(msgspec.Struct, frozen=True):
    name: Name


class _LogDocument(msgspec.Struct, frozen=True):
    """What of a log line is looked at."""

    event: _LogEvent
    host: _LogHost
    timestamp: datetime = msgspec.field(name="@timestamp")


_decode_log = msgspec.json.Decoder(_LogDocument).decode


def log_record(line: bytes) -> KafkaRecord:
    """The record of one log line as `wire.log_documents` writes it. Raises DecodeError where it is none."""
    try:
        told = _decode_log(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"no log line: {error}"[:_MAX_MESSAGE_CHARS]) from error
    return KafkaRecord(
        told.host.name.encode(), line, int(told.timestamp.timestamp() * 1000), ((HEADER_ID, told.event.id.encode()),)
    )


def records(
    payload: bytes, make: Callable[[bytes], KafkaRecord] = record
) -> Iterator[tuple[int, KafkaRecord | DecodeError]]:
    """Every line of NDJSON with its number, from 1: its record, or why it has none. Empty lines are passed over."""
    for number, line in enumerate(payload.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, make(line)
        except DecodeError as error:
            yield number, error


def _key(event: _Slurm) -> bytes:
    job_id = event.job_id if event.job is None else event.job.job_id
    whose = f"node/{event.node}" if job_id is None else str(job_id)
    return f"{event.cluster}/{whose}".encode()
