"""One file of the dropbox to a `HookEvent`; pure. The format is `docs/specs/hook-event.md`.

Owns the file's own keys, the bytes' encoding and what is said against a file; what the variables mean is
`hook_variables`'. msgspec holds a file to its format (`read`), then its variables are read one by one (ADR 20).
Invariants: a `HookEvent` always names a job; its texts are valid Unicode without lone surrogates, so every later stage
can encode them; a variable that cannot be what it should be costs that one field (it is None and named in `unusable`),
never the event. Fed by `dropbox`; feeds `node.registry`.
"""

from typing import Annotated, Any

import msgspec

from slurmlens.events import JobIdentity, Unsigned
from slurmlens.hook_events import HookEvent, HookRole
from slurmlens.wire import hook_file, hook_variables
from slurmlens.wire.hook_file import as_utf8

VARIABLES = hook_variables.VARIABLES

_ESCAPE = ord("\\")


class HookFile(msgspec.Struct, frozen=True, gc=False):
    """The file as it stands; what msgspec says against it names key and reason."""

    v: int
    id: Annotated[str, msgspec.Meta(pattern=hook_file.EVENT_ID)]
    role: HookRole
    time_ns: Unsigned
    boot_id: Annotated[str, msgspec.Meta(pattern=hook_file.BOOT_ID)]
    boottime_ns: Unsigned
    env: hook_variables.AsSpelt  # type: ignore[valid-type]  # made of the table of variables
    cut: tuple[str, ...] = ()


# Not strict: a number may stand in quotes, as the environment has it.
_decode_file = msgspec.json.Decoder(HookFile, strict=False).decode


def decode(data: bytes) -> HookEvent:
    """The event in `data`, the whole content of one file.

    Raises DecodeError with reason `too_long`, `malformed` (no JSON, or cut off), `field` (a key is missing or wrong;
    the message names it) or `job_id`; UnsupportedVersion where the file's `v` is not ours.
    """
    file = read(data)
    env = _set_variables(file.env, is_escaped=_ESCAPE in data)
    job, unusable = hook_variables.identify(env)
    cluster, node = env.get(hook_variables.CLUSTER), env.get(hook_variables.NODE)
    return HookEvent(
        file.id,
        file.role,
        file.time_ns,
        file.boot_id,
        file.boottime_ns,
        cluster,
        node,
        _marked(job, file.cut),
        unusable,
        file.cut,
    )


def read(data: bytes) -> HookFile:
    """The file, held to every rule of the format but what its variables mean; its texts still as JSON has them.

    Raises DecodeError (`too_long`, `malformed`, `field`) and UnsupportedVersion.
    """
    hook_file.check_size(data)
    try:
        file = _decode_file(data)
    except hook_file.NO_JSON as error:
        raise hook_file.refusal(data, error) from error
    if file.v != hook_file.VERSION:
        raise hook_file.unsupported(file.v)
    return file


def _set_variables(env: msgspec.Struct, *, is_escaped: bool) -> dict[str, Any]:
    """The variables that say something, by name; a text without an escape is ASCII or stands for itself."""
    as_text = as_utf8 if is_escaped else str
    spelt = msgspec.structs.asdict(env)
    return {name: as_text(value) if isinstance(value, str) else value for name, value in spelt.items() if value != ""}


def _marked(job: JobIdentity, cut: tuple[str, ...]) -> JobIdentity:
    """The job with the fields named of which the emitter kept the beginning alone."""
    if not cut:
        return job
    fields = (name for name in hook_variables.fields_of(cut) if getattr(job, name) is not None)
    return msgspec.structs.replace(job, cut=tuple(fields))
