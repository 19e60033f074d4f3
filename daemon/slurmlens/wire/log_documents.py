"""Log lines as JSON documents, the forms in which they reach a hub: pure.

Owns the documents' forms; the names that are read stand in `log_fields`. Written is Elastic's Common Schema (ECS 8:
`log.syslog`, `process`, `host.name`), with what is Slurm's below `slurm`. Read are that, the document of 2015
(`@fields`, `@message`), and the plain forms that rsyslog, syslog-ng, Vector, Fluent Bit and Logstash send of themselves
(`host` as a text, `severity` as a word, journald's capitals). A line has a message and a host; everything else may be
missing. Bytes that are no UTF-8 are replaced, texts are bounded, and a time that is none is the time of arrival, with
`is_cut` and the field `time_as_sent` telling so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError
from slurmlens.log_lines import JobSource, LogLine, Severity
from slurmlens.wire.ecs import timestamp
from slurmlens.wire.log_fields import fields_in, value_at
from slurmlens.wire.written_times import written_ns

MAX_MESSAGE_BYTES = 64 * 1024
MAX_NAME_CHARS = 255
MAX_MARKS = 16
MOST_AHEAD_NS = 86_400 * NS_PER_S
EARLIEST_NS = 946_684_800 * NS_PER_S

_SEVERITY_WORDS = {
    "emerg": 0, "emergency": 0, "panic": 0, "alert": 1, "crit": 2, "critical": 2, "fatal": 2, "err": 3, "error": 3,
    "warn": 4, "warning": 4, "notice": 5, "info": 6, "informational": 6, "information": 6, "debug": 7, "trace": 7,
}  # fmt: skip
_JOB_SOURCES: Mapping[str | None, JobSource] = {source.value: source for source in JobSource}


def documents(body: bytes) -> Iterator[tuple[int, Mapping[str, Any] | DecodeError]]:
    """The documents in a body with their line's number, from 1: NDJSON, or one JSON array of documents."""
    if body.lstrip()[:1] == b"[":
        try:
            for number, document in enumerate(msgspec.json.decode(body, type=list[dict[str, Any]]), start=1):
                yield number, document
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield 1, DecodeError(f"no array of documents: {error}"[:200], reason="json")
        return
    for number, line in enumerate(body.split(b"\n"), start=1):
        if line and not line.isspace():
            yield number, _document(line)


def _document(line: bytes) -> Mapping[str, Any] | DecodeError:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except UnicodeDecodeError:
        return _document(line.decode("utf-8", "replace").encode())
    except (msgspec.DecodeError, RecursionError) as error:
        return DecodeError(f"no JSON document: {error}"[:200], reason="json")


def line_of(document: Mapping[str, Any], now_ns: int) -> LogLine:
    """The line in a document; DecodeError (reason "field") where it has no message or no host.

    Its id is the sender's where it has one, else a hash of what it says, so that a line sent twice is one.
    """
    at = fields_in(document)
    said = value_at(document, at.message)
    message = _text(said, MAX_MESSAGE_BYTES)
    node = _text(value_at(document, at.node), MAX_NAME_CHARS)
    if message is None:
        raise DecodeError("a log line without a message: send it as 'message'", reason="field")
    if not node:
        raise DecodeError("a log line without its host: send it as 'host.name'", reason="field")
    is_cut = len(message) < (len(said) if isinstance(said, str) else len(str(said)))
    if "programname" in document:
        message = message.removeprefix(" ")  # rsyslog's msg begins with the blank that ends the tag
    stamp, pid = value_at(document, at.time), value_at(document, at.pid)
    time_ns = _time_ns(stamp)
    is_plausible = time_ns is not None and EARLIEST_NS <= time_ns <= now_ns + MOST_AHEAD_NS
    marks = _marks(document)
    if stamp is not None and not is_plausible:
        marks["time_as_sent"] = str(stamp)[:64]
    return LogLine(
        id=_text(value_at(document, at.id), MAX_NAME_CHARS) or _hash(node, stamp, message, pid),
        time_ns=time_ns if time_ns is not None and is_plausible else now_ns,
        node=node,
        message=message,
        program=_text(value_at(document, at.program), MAX_NAME_CHARS),
        pid=_number(pid),
        severity=_severity(value_at(document, at.severity)),
        facility=_number(value_at(document, at.facility)),
        unit=_text(value_at(document, at.unit), MAX_NAME_CHARS),
        cgroup=_text(value_at(document, at.cgroup), 4096),
        user_id=_number(value_at(document, at.user_id)),
        source=_text(value_at(document, at.source), 32),
        is_cut=is_cut or value_at(document, at.is_cut) is True,
        repeats=_number(value_at(document, at.repeats)) or 0,
        job_id=_number(value_at(document, at.job_id)),
        step=_text(value_at(document, at.step), 32),
        job_source=_JOB_SOURCES.get(_text(value_at(document, at.job_source), 16)),
        sluid=_text(value_at(document, at.sluid), 32),
        contradiction=_text(value_at(document, at.contradiction), MAX_NAME_CHARS),
        fields=marks,
    )


def node_of(document: Mapping[str, Any]) -> str | None:
    """The host that a document names."""
    return _text(value_at(document, fields_in(document).node), MAX_NAME_CHARS)


def _marks(document: Mapping[str, Any]) -> dict[str, str | int]:
    """What whoever read the line first wrote about it: few, short, of known types."""
    slurm = document.get("slurm")
    told = slurm.get("line") if isinstance(slurm, Mapping) else None
    if not isinstance(told, Mapping):
        return {}
    kept = list(told.items())[:MAX_MARKS]
    return {
        name[:64]: value if isinstance(value, int) else value[:MAX_NAME_CHARS]
        for name, value in kept
        if isinstance(value, str | int) and not isinstance(value, bool)
    }


class _LineEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    module: str | None = None
    sequence: int | None = None


class _LineProcess(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str | None = None
    pid: int | None = None


class _LineSystemd(msgspec.Struct, frozen=True, omit_defaults=True):
    unit: str | None = None
    cgroup: str | None = None


class _LineSlurm(msgspec.Struct, frozen=True, omit_defaults=True):
    job_id: int | None = None
    step_id: str | None = None
    sluid: str | None = None
    array_job_id: int | None = None
    array_task_id: int | None = None
    job_source: JobSource | None = None
    contradiction: str | None = None
    line_kind: str | None = None
    line: dict[str, str | int] | None = None
    repeats: int = 0
    is_cut: bool = False
    user: str | None = None
    account: str | None = None
    partition: str | None = None


class KeptAs(NamedTuple):
    """What whoever keeps a line adds: its place among lines of one moment, and whose its job is."""

    sequence: int
    user: str | None = None
    account: str | None = None
    partition: str | None = None


class _LineDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A document as it is written; what is the same for many lines is encoded once (`_host` and those beside it)."""

    timestamp: str = msgspec.field(name="@timestamp")
    event: _LineEvent
    message: str
    host: msgspec.Raw
    log: msgspec.Raw
    process: msgspec.Raw | None = None
    systemd: msgspec.Raw | None = None
    user: msgspec.Raw | None = None
    slurm: msgspec.Raw | None = None


_encoder = msgspec.json.Encoder()


def encode(line: LogLine, kept: KeptAs | None = None) -> bytes:
    """The line as an ECS document, on its way or as it is kept."""
    return _encoder.encode(
        _LineDocument(
            timestamp(line.time_ns),
            _LineEvent(line.id, line.source, None if kept is None else kept.sequence),
            line.message,
            _host(line.node),
            _log(line.severity, line.facility),
            _process(line.program, line.pid),
            _systemd(line.unit, line.cgroup),
            _user(line.user_id),
            _slurm(line, () if kept is None else kept[1:]),
        )
    )


def _slurm(line: LogLine, owner: Sequence[str | None]) -> msgspec.Raw | None:
    is_plain = not (owner or line.fields or line.repeats or line.is_cut or line.kind or line.sluid)
    if is_plain and line.array_job_id is None and line.contradiction is None:
        return _job(line.job_id, line.step, line.job_source)
    told = _LineSlurm(
        line.job_id,
        line.step,
        line.sluid,
        line.array_job_id,
        line.array_task_id,
        line.job_source,
        line.contradiction,
        line.kind,
        line.fields or None,
        line.repeats,
        line.is_cut,
        *owner,
    )
    return msgspec.Raw(_encoder.encode(told))


@lru_cache(maxsize=1024)
def _job(job_id: int | None, step: str | None, source: JobSource | None) -> msgspec.Raw | None:
    if job_id is None and step is None and source is None:
        return None
    return msgspec.Raw(_encoder.encode(_LineSlurm(job_id, step, job_source=source)))


@lru_cache(maxsize=1024)
def _process(name: str | None, pid: int | None) -> msgspec.Raw | None:
    return None if name is None and pid is None else msgspec.Raw(_encoder.encode(_LineProcess(name, pid)))


@lru_cache(maxsize=1024)
def _systemd(unit: str | None, cgroup: str | None) -> msgspec.Raw | None:
    return None if unit is None and cgroup is None else msgspec.Raw(_encoder.encode(_LineSystemd(unit, cgroup)))


@lru_cache(maxsize=1024)
def _user(user_id: int | None) -> msgspec.Raw | None:
    return None if user_id is None else msgspec.Raw(_encoder.encode({"id": user_id}))


@lru_cache(maxsize=1024)
def _host(name: str) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode({"name": name}))


@lru_cache(maxsize=64)
def _log(severity: int, facility: int | None) -> msgspec.Raw:
    syslog: dict[str, object] = {"severity": {"code": severity}}
    if facility is not None:
        syslog["facility"] = {"code": facility}
    return msgspec.Raw(_encoder.encode({"level": Severity(severity).name.lower(), "syslog": syslog}))


def _text(value: Any, most_bytes: int) -> str | None:
    if value is None or isinstance(value, bool | list):
        return None
    text = str(value).replace("\x00", "\ufffd")
    if len(text) * 4 > most_bytes:
        text = text.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")
    return text


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _severity(value: Any) -> int:
    if isinstance(value, str):
        word = value.strip().lower()
        value = int(word) if word.isascii() and word.isdigit() and len(word) < 3 else _SEVERITY_WORDS.get(word)
    return value if isinstance(value, int) and 0 <= value <= Severity.DEBUG else Severity.INFO.value


def _time_ns(value: Any) -> int | None:
    """Nanoseconds since the epoch of an ISO 8601 text (UTC where it names no zone), or of seconds as a number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return round(value * NS_PER_S) if 0 <= value < 2**33 else None
    return written_ns(value.strip(), UTC) if isinstance(value, str) else None


def _hash(*parts: object) -> str:
    return hashlib.blake2b("\0".join(map(str, parts)).encode("utf-8", "replace"), digest_size=16).hexdigest()
