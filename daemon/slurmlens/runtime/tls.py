"""TLS from the files that settings name: whom we trust and what we show, towards a server and as one.

Owns the context of one receiver or of one port, and what makes it anew when a file has changed (certificates are
renewed while daemons run). Invariants: towards a server, its certificate and its name are always checked; a key that is
open to everybody is not used; where renewed files of a port cannot be used, it goes on with those it has, and says so.
Used by the sinks, by the hub and by the relay; imported only where TLS is spoken (ADR 9).
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import stat
from pathlib import Path
from typing import Protocol

from slurmlens.config.tls import ListenSettings
from slurmlens.errors import ConfigError, TransportError
from slurmlens.runtime.tls_session import Session, text_of
from slurmlens.telemetry.internal import InternalEvent, Reporter

LOOK_AGAIN_S = 30.0

RENEWED = InternalEvent("certificate_renewed", logging.INFO, "{path} has changed: new connections are shown it")
NOT_RENEWED = InternalEvent(
    "certificate_not_renewed", logging.ERROR, "what has changed cannot be used, the former goes on: {error}"
)

_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_END_OF_KEY_LABEL = b"PRIVATE KEY-----"

_Stamp = tuple[tuple[int, int, int], ...]


class ClientFiles(Protocol):
    """Settings that name files; see `config.tls.TlsSettings`."""

    @property
    def ca_file(self) -> Path | None: ...

    @property
    def certificate_file(self) -> Path | None: ...

    @property
    def key_file(self) -> Path | None: ...


class _Unusable(Exception):
    """A file that a setting names; never leaves this module."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class ClientTls:
    """Makes the sessions with one receiver; `table` is where its settings stand, for messages.

    `server_name` is the name in the receiver's certificate, where that is not the host it is reached at.
    """

    def __init__(self, settings: ClientFiles, table: str, server_name: str | None = None) -> None:
        self._settings = settings
        self._table = table
        self._server_name = server_name
        self._context: ssl.SSLContext | None = None
        self._stamp: _Stamp = ()

    def session(self, host: str) -> Session:
        """A session with the receiver at `host`, not begun; otherwise as `context`."""
        name = self._server_name or host
        try:
            return Session(self.context(), host=name)
        except ValueError as error:
            raise self._failure("server_name", f"{name!r} cannot be the name of a host: {error}") from error

    def context(self) -> ssl.SSLContext:
        """For connections that are made now; blocks on files. TransportError, reason `tls_files`."""
        settings = self._settings
        files = {"ca_file": settings.ca_file, "certificate_file": settings.certificate_file}
        try:
            stamp = _stamp_of(files | {"key_file": settings.key_file})
            if self._context is None or stamp != self._stamp:
                self._context, self._stamp = self._made(), stamp
        except _Unusable as error:
            raise self._failure(error.key, str(error)) from error
        return self._context

    def _made(self) -> ssl.SSLContext:
        settings = self._settings
        try:
            context = ssl.create_default_context(cafile=settings.ca_file)
        except (ssl.SSLError, OSError) as error:
            raise _no_certificates("ca_file", settings.ca_file, error) from error
        if settings.certificate_file is not None and settings.key_file is not None:
            _show(context, settings.certificate_file, settings.key_file)
        return context

    def _failure(self, key: str, message: str) -> TransportError:
        return TransportError(f"{self._table}.{key}: {message}", reason="tls_files")


class ServerTls:
    """What one port shows to whoever connects, and whom it lets in. ConfigError where a file cannot be used.

    `context` is one object for ever: what is loaded into it holds for connections that come afterwards. A CA that is no
    longer in `client_ca_file` is trusted until the restart, for nothing can be taken out of a context.
    """

    def __init__(self, settings: ListenSettings) -> None:
        self._settings = settings
        self._stamp = self._stamp_now()
        self.context = self._made()

    def session(self) -> Session:
        """With whoever has connected, not begun."""
        return Session(self.context)

    def refresh(self) -> bool:
        """Load what has changed, and say whether anything had; blocks on files."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return False
        # Once while it is wrong, not every time it is looked at.
        self._stamp = stamp
        self._made()  # proves that all of it can be used, before any is
        self._load(self.context)
        return True

    async def keep_fresh(self, reporter: Reporter) -> None:
        """A stage: looks at the files for as long as it runs."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            try:
                if await asyncio.to_thread(self.refresh):
                    reporter.report(RENEWED, path=self._settings.certificate_file)
            except ConfigError as error:
                reporter.report(NOT_RENEWED, error=error)

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        settings = self._settings
        assert settings.certificate_file is not None
        assert settings.key_file is not None
        try:
            _show(context, settings.certificate_file, settings.key_file)
            if settings.client_ca_file is not None:
                _let_in(context, settings.client_ca_file)
        except _Unusable as error:
            raise _setting_to_mend(error) from error

    def _stamp_now(self) -> _Stamp:
        settings = self._settings
        files = {"certificate_file": settings.certificate_file, "key_file": settings.key_file}
        try:
            return _stamp_of(files | {"client_ca_file": settings.client_ca_file})
        except _Unusable as error:
            raise _setting_to_mend(error) from error


def _show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load what the other side is shown. OpenSSL does not tell which of the two files it dislikes."""
    if _BEGIN_CERTIFICATE not in _read("certificate_file", certificate):
        raise _Unusable("certificate_file", f"{certificate} holds no certificate in PEM")
    if _END_OF_KEY_LABEL not in _read("key_file", key):
        raise _Unusable("key_file", f"{key} holds no private key in PEM")
    if stat.S_IMODE(os.stat(key).st_mode) & 0o007:
        raise _Unusable("key_file", f"{key} is open to everybody: chmod 640")

    def refuse() -> str:
        # Without this OpenSSL would ask at the terminal.
        raise _Unusable("key_file", f"{key} has a passphrase: give a key without")

    try:
        context.load_cert_chain(certificate, key, password=refuse)
    except (ssl.SSLError, OSError) as error:
        message = f"{certificate} and the key in {key} do not work together: {text_of(error)}"
        raise _Unusable("certificate_file", message) from error


def _let_in(context: ssl.SSLContext, authorities: Path) -> None:
    """Whoever connects must show a certificate of one of them."""
    try:
        context.load_verify_locations(authorities)
    except (ssl.SSLError, OSError) as error:
        raise _no_certificates("client_ca_file", authorities, error) from error
    context.verify_mode = ssl.CERT_REQUIRED


def _no_certificates(key: str, path: Path | None, error: OSError) -> _Unusable:
    return _Unusable(key, f"{path} holds no certificates in PEM: {text_of(error)}")


def _setting_to_mend(error: _Unusable) -> ConfigError:
    return ConfigError(str(error), key=f"listen.{error.key}")


def _read(key: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _Unusable(key, f"{path}: {error.strerror}") from error


def _stamp_of(files: dict[str, Path | None]) -> _Stamp:
    """What changes when one of them does; also finds any that is missing or closed to us."""
    return tuple(_stamp_of_one(key, path) for key, path in files.items())


def _stamp_of_one(key: str, path: Path | None) -> tuple[int, int, int]:
    if path is None:
        return (0, 0, 0)
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
    except OSError as error:
        raise _Unusable(key, f"{path}: {error.strerror}") from error
    return (status.st_ino, status.st_mtime_ns, status.st_size)
