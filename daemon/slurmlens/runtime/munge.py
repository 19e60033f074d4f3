"""MUNGE credentials: proof of who speaks, made and checked by the site's own munged.

Owns the only calls into libmunge (through cffi, `_munge_abi`), and translates its errors. Every call asks munged over a
Unix socket and blocks, for seconds if munged hangs: call from a thread. Used by the node's hub sink (`encode`), by the
hub's ingest (`decode`) and by the command line. A machine without libmunge can import this; the first call says what is
missing.

Errors: `RefusedError` says that the credential proves nothing (`reason` is one of REFUSALS' values or `invalid`);
`SourceError` that munged could not be asked, so that nothing is known.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from slurmlens.errors import RefusedError, SourceError

LIBRARY = "libmunge.so.2"

_OPTION_TTL = 4
_OPTION_ADDRESS = 5
_OPTION_ENCODE_TIME = 6
_OPTION_DECODE_TIME = 7
_OPTION_SOCKET = 8
_OPTION_UID_RESTRICTION = 9

_SUCCESS = 0
# munge_err_t: what says nothing about the credential, only that it could not be made or checked.
_UNASKED = frozenset({1, 5, 6, 7})
REFUSALS = {15: "expired", 16: "rewound", 17: "replayed", 18: "unauthorized"}


class Credential(msgspec.Struct, frozen=True):
    """What a valid credential proves. `origin` is the IPv4 address of the host whose munged made it."""

    payload: bytes
    uid: int
    gid: int
    origin: str
    encoded_s: int
    decoded_s: int


def encode(payload: bytes, *, socket_path: Path | None = None, ttl_s: int = 0, only_uid: int | None = None) -> bytes:
    """Make a credential around `payload`. `ttl_s` 0 is munged's default; `only_uid` is who alone may decode it."""
    ffi, library = _load()
    with _context(socket_path) as context:
        if ttl_s:
            _set(context, _OPTION_TTL, ffi.cast("int", ttl_s))
        if only_uid is not None:
            _set(context, _OPTION_UID_RESTRICTION, ffi.cast("unsigned int", only_uid))
        made = ffi.new("char **")
        _check(library.munge_encode(made, context, payload, len(payload)), context)
        try:
            return bytes(ffi.string(made[0]))
        finally:
            library.free(made[0])


def decode(credential: bytes, *, socket_path: Path | None = None) -> Credential:
    """Check a credential and open it; RefusedError where it is no proof. A second time it is refused as replayed."""
    if b"\0" in credential:
        raise RefusedError("no MUNGE credential: it holds a NUL byte", reason="invalid")
    ffi, library = _load()
    with _context(socket_path) as context:
        payload = ffi.new("void **")
        length = ffi.new("int *")
        uid, gid = ffi.new("unsigned int *"), ffi.new("unsigned int *")
        error = library.munge_decode(credential, context, payload, length, uid, gid)
        try:
            _check(error, context)
            held = bytes(ffi.buffer(payload[0], length[0])) if length[0] else b""
        finally:
            library.free(payload[0])  # filled in even for an expired or replayed one
        return Credential(
            payload=held,
            uid=uid[0],
            gid=gid[0],
            origin=socket.inet_ntoa(bytes(ffi.buffer(_get(context, _OPTION_ADDRESS, "unsigned int *")))),
            encoded_s=_get(context, _OPTION_ENCODE_TIME, "long *")[0],
            decoded_s=_get(context, _OPTION_DECODE_TIME, "long *")[0],
        )


@cache
def _load() -> tuple[Any, Any]:
    try:
        from slurmlens.runtime._munge_abi import ffi  # late: a node that proves itself by token needs none of it

        return ffi, ffi.dlopen(LIBRARY)
    except (ImportError, OSError) as error:
        advice = f"install {LIBRARY} (package libmunge2 or munge-libs), or set auth to a token file"
        raise SourceError(f"MUNGE cannot be used: {error}; {advice}") from error


@contextmanager
def _context(socket_path: Path | None) -> Iterator[Any]:
    ffi, library = _load()
    context = library.munge_ctx_create()
    if context == ffi.NULL:
        raise SourceError("MUNGE cannot be used: out of memory")
    try:
        if socket_path is not None:
            _set(context, _OPTION_SOCKET, ffi.new("char[]", str(socket_path).encode()))
        yield context
    finally:
        library.munge_ctx_destroy(context)


def _set(context: Any, option: int, value: Any) -> None:
    _, library = _load()
    _check(library.munge_ctx_set(context, option, value), context)


def _get(context: Any, option: int, kind: str) -> Any:
    ffi, library = _load()
    value = ffi.new(kind)
    _check(library.munge_ctx_get(context, option, value), context)
    return value


def _check(error: int, context: Any) -> None:
    """Translate a munge_err_t; the one place where libmunge's errors become ours."""
    if error == _SUCCESS:
        return
    ffi, library = _load()
    detail = library.munge_ctx_strerror(context)
    if detail == ffi.NULL:
        detail = library.munge_strerror(error)
    text = ffi.string(detail).decode("utf-8", "replace")
    if error in _UNASKED:
        raise SourceError(f"munged could not be asked: {text}; is it running, and may this user speak to its socket?")
    raise RefusedError(f"MUNGE: {text}", reason=REFUSALS.get(error, "invalid"))
