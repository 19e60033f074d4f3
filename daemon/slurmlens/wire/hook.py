"""One file of the dropbox to a `HookEvent`; pure. The format is `docs/specs/hook-event.md`.

Owns what the variables of Slurm's Prolog and Epilog mean, in every release from 22.05 to 26.05 (`_SOURCES`).
Invariants: a `HookEvent` always names a job; its texts are valid Unicode without lone surrogates, so every later stage
can encode them; a variable that cannot be what it should be costs that one field (it is None and named in `unusable`),
never the event. Fed by `node.dropbox`; feeds `node.registry`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

import msgspec

from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.events import HookEvent, HookRole, JobIdentity

VERSION = 1
MAX_FILE_BYTES = 16 * 1024
MAX_MESSAGE_CHARS = 300

NO_VALUE = 0xFFFF_FFFE
"""Slurm's NO_VAL and everything above it (INFINITE) mean "not set" in its 32-bit numbers."""

_Nanoseconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _File(msgspec.Struct, frozen=True):
    """The file as written; validated while it is decoded."""

    v: int
    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    role: HookRole
    time_ns: _Nanoseconds
    boot_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    boottime_ns: _Nanoseconds
    env: dict[str, str]
    cut: tuple[str, ...] = ()


class _Versioned(msgspec.Struct, frozen=True):
    v: int


_decoder = msgspec.json.Decoder(_File)
_version_decoder = msgspec.json.Decoder(_Versioned)

# The first covers ValidationError, which callers that care catch before.
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_Value = str | int
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
_CODE_AND_SIGNAL = re.compile(r"([0-9]{1,5}):([0-9]{1,3})", re.ASCII)


def _text(value: str) -> str:
    return value


def _number(value: str) -> int:
    if not _DIGITS.fullmatch(value):
        raise ValueError(value)
    number = int(value)
    if number >= 2**63:
        raise ValueError(value)
    return number


def _slurm_number(value: str) -> int | None:
    """A 32-bit number of Slurm's; None where it says that there is none."""
    number = _number(value)
    if number > 0xFFFF_FFFF:
        raise ValueError(value)
    return None if number >= NO_VALUE else number


def _job_number(value: str) -> int | None:
    """A job id; 0 stands for none."""
    return _slurm_number(value) or None


def _time(value: str) -> int | None:
    """Seconds since the epoch; 0 stands for not known yet."""
    return _number(value) or None


def _derived_code(value: str) -> int | None:
    """SLURM_JOB_DERIVED_EC is the worst step's wait(2) status; as a shell says it: the code, or 128 + signal."""
    status = _slurm_number(value)
    if status is None:
        return None
    signal = status & 0x7F
    return 128 + signal if signal else (status >> 8) & 0xFF


_SOURCES: tuple[tuple[str, tuple[str, ...], Callable[[str], _Value | None]], ...] = (
    ("sluid", ("SLURM_JOB_SLUID",), _text),
    ("restart_count", ("SLURM_JOB_RESTART_COUNT",), _slurm_number),
    ("user_id", ("SLURM_JOB_UID", "SLURM_UID"), _slurm_number),
    ("user_name", ("SLURM_JOB_USER",), _text),
    ("group_id", ("SLURM_JOB_GID",), _slurm_number),
    ("account", ("SLURM_JOB_ACCOUNT",), _text),
    ("partition", ("SLURM_JOB_PARTITION",), _text),
    ("qos", ("SLURM_JOB_QOS",), _text),
    ("job_name", ("SLURM_JOB_NAME",), _text),
    ("array_job_id", ("SLURM_ARRAY_JOB_ID",), _job_number),
    ("array_task_id", ("SLURM_ARRAY_TASK_ID",), _slurm_number),
    ("het_job_id", ("SLURM_HET_JOB_ID", "SLURM_PACK_JOB_ID"), _job_number),
    ("het_job_offset", ("SLURM_HET_JOB_OFFSET", "SLURM_PACK_JOB_OFFSET"), _slurm_number),
    ("node_list", ("SLURM_JOB_NODELIST", "SLURM_NODELIST"), _text),
    ("node_count", ("SLURM_JOB_NUM_NODES", "SLURM_NNODES"), _slurm_number),
    ("task_count", ("SLURM_JOB_NTASKS", "SLURM_NTASKS"), _slurm_number),
    ("cpus_per_node", ("SLURM_JOB_CPUS_PER_NODE",), _text),
    ("start_time_s", ("SLURM_JOB_START_TIME",), _time),
    ("end_time_s", ("SLURM_JOB_END_TIME",), _time),
    ("derived_exit_code", ("SLURM_JOB_DERIVED_EC",), _derived_code),
)
"""Field of `JobIdentity`, the variables that tell it (the first one that is set counts), how to read it."""

_JOB_ID = ("SLURM_JOB_ID", "SLURM_JOBID")
_EXIT_CODE = "SLURM_JOB_EXIT_CODE2"
_CLUSTER = "SLURM_CLUSTER_NAME"
_NODE = "SLURMD_NODENAME"

VARIABLES = (*_JOB_ID, _CLUSTER, _NODE, _EXIT_CODE, *(name for _, names, _ in _SOURCES for name in names))
"""All that is read; `slurm_hooks/variables.h` must list each of them."""


def decode(data: bytes) -> HookEvent:
    """The event in `data`, the whole content of one file.

    Raises DecodeError with reason `too_long`, `malformed` (no JSON, or cut off), `field` (a key is missing or wrong;
    the message names it) or `job_id`; UnsupportedVersion where the file's `v` is not ours.
    """
    if len(data) > MAX_FILE_BYTES:
        raise DecodeError(f"{len(data)} bytes, at most {MAX_FILE_BYTES} are allowed", reason="too_long")
    file = _decode_file(data)
    env = {name: _as_utf8(value) for name, value in file.env.items() if value}
    unusable: list[str] = []
    job = _identity(env, unusable)
    return HookEvent(
        id=file.id,
        role=file.role,
        time_ns=file.time_ns,
        boot_id=file.boot_id,
        boottime_ns=file.boottime_ns,
        cluster=env.get(_CLUSTER),
        node=env.get(_NODE),
        job=job,
        unusable=tuple(unusable),
        cut=file.cut,
    )


def _decode_file(data: bytes) -> _File:
    try:
        file = _decoder.decode(data)
    except msgspec.ValidationError as error:
        _check_version(data)
        raise DecodeError(str(error)[:MAX_MESSAGE_CHARS], reason="field") from error
    except _NO_JSON as error:
        raise DecodeError(f"no JSON: {error}"[:MAX_MESSAGE_CHARS]) from error
    if file.v != VERSION:
        raise _unsupported(file.v)
    return file


def _check_version(data: bytes) -> None:
    """A file of another version may well lack our keys: then the version is what is to be told."""
    try:
        version = _version_decoder.decode(data).v
    except _NO_JSON:
        return
    if version != VERSION:
        raise _unsupported(version)


def _unsupported(version: int) -> UnsupportedVersion:
    return UnsupportedVersion(f"v: hook event of version {version}, this release reads {VERSION}")


def _as_utf8(value: str) -> str:
    """The emitter writes one character a byte; the bytes are UTF-8 if the site is sane."""
    try:
        return value.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return value  # not by our emitter, so it stands for itself


def _identity(env: dict[str, str], unusable: list[str]) -> JobIdentity:
    """Who the job is, by the variables; names those that cannot be read in `unusable`."""
    found: dict[str, _Value] = {}
    for field, names, read in _SOURCES:
        name = next((name for name in names if name in env), None)
        if name is None:
            continue
        try:
            value = read(env[name])
        except ValueError:
            unusable.append(name)
            continue
        if value is not None:
            found[field] = value
    found |= _exit(env, unusable)
    return JobIdentity(job_id=_job_id(env), **found)  # type: ignore[arg-type]  # the table pairs fields with readers


def _exit(env: dict[str, str], unusable: list[str]) -> dict[str, _Value]:
    """SLURM_JOB_EXIT_CODE2 is "code:signal"; absent where slurmd does not know (a node that comes back)."""
    value = env.get(_EXIT_CODE)
    if value is None:
        return {}
    match = _CODE_AND_SIGNAL.fullmatch(value)
    if match is None:
        unusable.append(_EXIT_CODE)
        return {}
    return {"exit_code": int(match[1]), "exit_signal": int(match[2])}


def _job_id(env: dict[str, str]) -> int:
    for name in _JOB_ID:
        if name not in env:
            continue
        try:
            job_id = _job_number(env[name])
        except ValueError:
            job_id = None
        if job_id is None:
            raise DecodeError(f"env.{name}: {env[name][:40]!r} is no job id", reason="job_id")
        return job_id
    raise DecodeError("env.SLURM_JOB_ID: missing, so the event is nobody's", reason="job_id")
