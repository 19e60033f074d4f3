"""What every file of the dropbox has in common, whoever wrote it; pure. The format is `docs/specs/hook-event.md`.

Owns version, size and spelling of texts, and how a file is refused. Used by `hook` (Prolog and Epilog) and `step` (the
SPANK plugin).
"""

import msgspec

from slurmlens.errors import DecodeError, UnsupportedVersion

VERSION = 1
MAX_FILE_BYTES = 16 * 1024

BOOT_ID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
EVENT_ID = r"^[0-9a-f]{32}\Z"

NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises; the first covers ValidationError."""

_MAX_MESSAGE_CHARS = 300


class _VersionedFile(msgspec.Struct, frozen=True):
    v: int


_decode_version = msgspec.json.Decoder(_VersionedFile, strict=False).decode


def check_size(data: bytes) -> None:
    """Raises DecodeError (`too_long`) for more than one file may hold."""
    if len(data) > MAX_FILE_BYTES:
        raise DecodeError(f"{len(data)} bytes, at most {MAX_FILE_BYTES} are allowed", reason="too_long")


def refusal(data: bytes, error: Exception) -> DecodeError:
    """What to say of a file that msgspec refused with `error`: another version goes before what its keys lack."""
    if not isinstance(error, msgspec.ValidationError):
        return DecodeError(f"no JSON: {error}"[:_MAX_MESSAGE_CHARS])
    try:
        version = _decode_version(data).v
    except NO_JSON:
        version = VERSION
    if version != VERSION:
        return unsupported(version)
    return DecodeError(str(error)[:_MAX_MESSAGE_CHARS], reason="field")


def unsupported(version: int) -> UnsupportedVersion:
    """For a file that is of another version than ours."""
    return UnsupportedVersion(f"v: hook event of version {version}, this release reads {VERSION}")


def as_utf8(value: str) -> str:
    """The writers make one character a byte; the bytes are UTF-8 if the site is sane."""
    try:
        return value.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return value  # not by a writer of ours, so it stands for itself
