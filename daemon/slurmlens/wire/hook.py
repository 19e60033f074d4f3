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

from slurmlens.events import HookEvent, HookRole, JobIdentity, Unsigned
from slurmlens.wire import hook_file, hook_variables
from slurmlens.wire.hook_file import as_utf8

VARIABLES = hook_variables.VARIABLES

_ESCAPE = ord("\\")


class UsualFile(msgspec.Struct, frozen=True, gc=False):
    """The file as the emitter writes it for nearly every job. msgspec's patterns cost more than all the rest, so `id`
    and `boot_id` are looked at afterwards.
    """

    v: Literal[1]  # hook_file.VERSION
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
    id: Annotated[str, msgspec.Meta(pattern=hook_file.EVENT_ID)]
    role: HookRole
    time_ns: Unsigned
    boot_id: Annotated[str, msgspec.Meta(pattern=hook_file.BOOT_ID)]
    boottime_ns: Unsigned
    env: hook_variables.AsSpelt  # type: ignore[valid-type]  # made of the table of variables
    cut: tuple[str, ...] = ()


# Not strict: a number may stand in quotes, as the environment has it.
_decode_usual = msgspec.json.Decoder(UsualFile, strict=False).decode
_decode_any = msgspec.json.Decoder(_Any, strict=False).decode


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
    hook_file.check_size(data)
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
        _marked(hook_variables.job_of(told), file.cut),
        (),
        file.cut,
    )


def _marked(job: JobIdentity, cut: tuple[str, ...]) -> JobIdentity:
    """The job with the fields named of which the emitter kept the beginning alone."""
    if not cut:
        return job
    fields = (name for name in hook_variables.fields_of(cut) if getattr(job, name) is not None)
    return msgspec.structs.replace(job, cut=tuple(fields))


def _with_texts_as_utf8(event: HookEvent) -> HookEvent:
    job = event.job
    texts = {name: text for name in hook_variables.TEXT_FIELDS if (text := getattr(job, name)) and not text.isascii()}
    return msgspec.structs.replace(
        event,
        cluster=event.cluster and as_utf8(event.cluster),
        node=event.node and as_utf8(event.node),
        job=msgspec.structs.replace(job, **{name: as_utf8(text) for name, text in texts.items()}),
    )


@functools.lru_cache(maxsize=8)  # a node has one at a time
def _is_boot_id(text: str) -> bool:
    return re.match(hook_file.BOOT_ID, text) is not None


def _thorough(data: bytes) -> HookEvent:
    file = _decode_file(data)
    values = msgspec.structs.asdict(file.env)
    as_text = as_utf8 if _ESCAPE in data else str
    env = {name: as_text(value) if isinstance(value, str) else value for name, value in values.items() if value != ""}
    job, unusable = hook_variables.identify(env)
    job = _marked(job, file.cut)
    cluster, node = env.get(hook_variables.CLUSTER), env.get(hook_variables.NODE)
    return HookEvent(
        file.id, file.role, file.time_ns, file.boot_id, file.boottime_ns, cluster, node, job, unusable, file.cut
    )


def _decode_file(data: bytes) -> _Any:
    try:
        file = _decode_any(data)
    except hook_file.NO_JSON as error:
        raise hook_file.refusal(data, error) from error
    if file.v != hook_file.VERSION:
        raise hook_file.unsupported(file.v)
    return file
