"""One file of the dropbox to a `HookEvent`; pure. The format is `docs/specs/hook-event.md`.

Owns the file's own keys, the bytes' encoding and what is said against a file; what the variables mean is
`hook_variables`'. A file is decoded twice at most: at once into typed and bounded fields (`read_usual`), and where that
does not fit, value by value (`_thorough`), which finds the one that is wrong and says so (ADR 20).
Invariants: a `HookEvent` always names a job; its texts are valid Unicode without lone surrogates, so every later stage
can encode them; a variable that cannot be what it should be costs that one field (it is None and named in `unusable`),
never the event. Fed by `node.dropbox`; feeds `node.registry`.
"""

import functools
import re
from binascii import unhexlify
from typing import Annotated, Literal

import msgspec

from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.events import HookEvent, HookRole, Unsigned
from slurmlens.wire import hook_variables

VERSION = 1
MAX_FILE_BYTES = 16 * 1024
MAX_MESSAGE_CHARS = 300

VARIABLES = hook_variables.VARIABLES

_BOOT_ID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
_ESCAPE = ord("\\")


class UsualFile(msgspec.Struct, frozen=True, gc=False):
    """The file as the emitter writes it for nearly every job. msgspec's patterns cost more than all the rest, so `id`
    and `boot_id` are looked at afterwards.
    """

    v: Literal[1]  # VERSION
    id: Annotated[str, msgspec.Meta(min_length=32, max_length=32)]
    role: HookRole
    time_ns: Unsigned
    boot_id: str
    boottime_ns: Unsigned
    env: hook_variables.Told
    cut: tuple[str, ...] = ()


class _Any(msgspec.Struct, frozen=True):
    """The file as it may be; what msgspec says against it names key and reason."""

    v: int
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    role: HookRole
    time_ns: Unsigned
    boot_id: Annotated[str, msgspec.Meta(pattern=_BOOT_ID)]
    boottime_ns: Unsigned
    env: hook_variables.AsSpelt  # type: ignore[valid-type]  # made of the table of variables
    cut: tuple[str, ...] = ()


class _VersionedFile(msgspec.Struct, frozen=True):
    v: int


# Not strict: a number may stand in quotes, as the environment has it.
_decode_usual = msgspec.json.Decoder(UsualFile, strict=False).decode
_decode_any = msgspec.json.Decoder(_Any, strict=False).decode
_decode_version = msgspec.json.Decoder(_VersionedFile, strict=False).decode

# The first covers ValidationError, which callers that care catch before.
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode(data: bytes) -> HookEvent:
    """The event in `data`, the whole content of one file.

    Raises DecodeError with reason `too_long`, `malformed` (no JSON, or cut off), `field` (a key is missing or wrong;
    the message names it) or `job_id`; UnsupportedVersion where the file's `v` is not ours.
    """
    try:
        event = _event_of(read_usual(data))
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        return _thorough(data)
    return _with_texts_as_utf8(event) if _ESCAPE in data else event


def read_usual(data: bytes) -> UsualFile:
    """The file, decoded and held to every rule of the format; its texts still as JSON has them.

    Raises ValueError or RecursionError where anything is out of the ordinary, and DecodeError (`too_long`).
    """
    if len(data) > MAX_FILE_BYTES:
        raise DecodeError(f"{len(data)} bytes, at most {MAX_FILE_BYTES} are allowed", reason="too_long")
    file = _decode_usual(data)
    if unhexlify(file.id).hex() != file.id or not _is_boot_id(file.boot_id):
        raise ValueError
    return file


def _event_of(file: UsualFile) -> HookEvent:
    """Raises ValueError where a variable is not what it should be."""
    told = file.env
    return HookEvent(
        file.id,
        file.role,
        file.time_ns,
        file.boot_id,
        file.boottime_ns,
        told.cluster or None,
        told.node or None,
        hook_variables.job_of(told),
        (),
        file.cut,
    )


def _with_texts_as_utf8(event: HookEvent) -> HookEvent:
    job = event.job
    texts = {name: text for name in hook_variables.TEXT_FIELDS if (text := getattr(job, name)) and not text.isascii()}
    return msgspec.structs.replace(
        event,
        cluster=event.cluster and _as_utf8(event.cluster),
        node=event.node and _as_utf8(event.node),
        job=msgspec.structs.replace(job, **{name: _as_utf8(text) for name, text in texts.items()}),
    )


@functools.lru_cache(maxsize=8)  # a node has one at a time
def _is_boot_id(text: str) -> bool:
    return re.match(_BOOT_ID, text) is not None


def _thorough(data: bytes) -> HookEvent:
    file = _decode_file(data)
    values = msgspec.structs.asdict(file.env)
    as_text = _as_utf8 if _ESCAPE in data else str
    env = {name: as_text(value) if isinstance(value, str) else value for name, value in values.items() if value != ""}
    job, unusable = hook_variables.identify(env)
    cluster, node = env.get(hook_variables.CLUSTER), env.get(hook_variables.NODE)
    return HookEvent(
        file.id, file.role, file.time_ns, file.boot_id, file.boottime_ns, cluster, node, job, unusable, file.cut
    )


def _decode_file(data: bytes) -> _Any:
    try:
        file = _decode_any(data)
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
        version = _decode_version(data).v
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
