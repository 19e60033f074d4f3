"""One folder of event files: what lies in it, what one file says, and where a file goes that says nothing usable.

Owns the checks of `docs/specs/hook-event.md` ("The reader") that need the file itself; the content is that of
`wire.hook` and `wire.step`.
Invariants: a file is opened without following a link and without ever blocking, and at most one byte more than allowed
is read; a refused file leaves the folder, so that it is refused once. Used by `stage.Dropbox` alone; does no waiting.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from slurmlens.errors import DecodeError
from slurmlens.hook_events import DropboxEvent, DropboxRole, HookRole, StepRole
from slurmlens.wire import hook, hook_file, step
from slurmlens.wire.controller_hook import ControllerEvent, ControllerRole

Owners = Mapping[int, frozenset[DropboxRole | ControllerRole]]
EVERY_ROLE: frozenset[DropboxRole | ControllerRole] = frozenset((*HookRole, *StepRole))
ROOT_ALONE: Owners = {0: EVERY_ROLE}

FileEvent = TypeVar("FileEvent", bound=DropboxEvent | ControllerEvent)
Decode = Callable[[bytes], FileEvent]

REFUSED_FOLDER = ".refused"
"""Begins with a dot, as no NodeName may: it lies where the folders of NodeNames lie."""

REFUSED_LIMIT = 64
REFUSED_FILE_LIMIT_BYTES = 64 * 1024

_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TEMPORARY = re.compile(r"\.(?P<boottime_ns>[0-9]{20})-[0-9]+-[a-z-]+\.json\.tmp")

_REASON_OF = {
    errno.ELOOP: ("not_regular", "a symbolic link"),
    errno.ENXIO: ("not_regular", "a socket or a pipe"),
    errno.EACCES: ("permission", "may not be read by this user"),
    errno.EPERM: ("permission", "may not be read by this user"),
}
"""What opening says about the file. Any other error is the machine's, not the file's."""


def waiting_names(folder: Path) -> list[str]:
    """Names of the events that lie in `folder`, oldest first. Raises OSError."""
    return sorted(name for name in os.listdir(folder) if is_event_name(name))


def is_event_name(name: str) -> bool:
    """Whether a reader takes it: not a temporary file, not one of the folders beside the events."""
    return name.endswith(".json") and not name.startswith(".")


def abandoned_names(folder: Path, now_boottime_ns: int, after_ns: int) -> list[str]:
    """Temporary files older than `after_ns`: a hook ends within a second, so these have lost theirs. Raises OSError."""
    return [name for name in os.listdir(folder) if _is_abandoned(name, now_boottime_ns, after_ns)]


def _is_abandoned(name: str, now_boottime_ns: int, after_ns: int) -> bool:
    match = _TEMPORARY.fullmatch(name)
    # One from the future is of another boot.
    return match is not None and not 0 <= now_boottime_ns - int(match["boottime_ns"]) <= after_ns


def decode_node_event(data: bytes) -> DropboxEvent:
    """What lies in a node's dropbox: a file of Prolog or Epilog, or of the SPANK plugin."""
    return step.decode(data) if step.is_step(data) else hook.decode(data)


def read_event(path: Path, owners: Owners, decode: Decode[FileEvent]) -> FileEvent:
    """The event in the file.

    Raises DecodeError where the file is refused (reasons of `decode`, that is of `wire.hook`, `wire.step` and
    `wire.controller_hook`, and
    `not_regular`, `permission`, `owner`), FileNotFoundError where it is gone, another OSError where this machine cannot
    read it now.
    """
    data, owner = _read(path)
    event = decode(data)
    if event.role not in owners.get(owner, frozenset()):
        raise DecodeError(f"owned by uid {owner}, which may not say {event.role.value}", reason="owner")
    return event


def _read(path: Path) -> tuple[bytes, int]:
    """Content and owner of a regular file; at most one byte more than an event may have."""
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        reason = _REASON_OF.get(error.errno or 0)
        if reason is None:
            raise
        raise DecodeError(reason[1], reason=reason[0]) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DecodeError(f"no regular file (mode {status.st_mode:o})", reason="not_regular")
        if status.st_nlink != 1:
            raise DecodeError(f"{status.st_nlink} links to it: it lies somewhere else too", reason="not_regular")
        return os.read(descriptor, hook_file.MAX_FILE_BYTES + 1), status.st_uid
    finally:
        os.close(descriptor)


def set_aside(path: Path) -> str:
    """Take a refused file out of the way; says what became of it. Raises OSError where it stays."""
    kept = path.parent / REFUSED_FOLDER
    kept.mkdir(mode=0o700, exist_ok=True)
    size_bytes = os.stat(path, follow_symlinks=False).st_size
    if size_bytes <= REFUSED_FILE_LIMIT_BYTES and len(os.listdir(kept)) < REFUSED_LIMIT:
        os.rename(path, kept / path.name)
        return f"moved to {kept}"
    path.unlink()
    return "removed" if size_bytes > REFUSED_FILE_LIMIT_BYTES else f"removed, because {kept} is full"
