"""TLS towards a receiver: from the files that the settings name to a session that turns bytes into records and back.

Owns the one context of a sink, which is made at its first connection and again when a file has changed (certificates
are renewed while daemons run), and the translation of OpenSSL's errors. Invariants: the receiver's certificate and its
name are always checked; nothing here waits or touches a socket (`connection` carries the bytes), so that it is exactly
known how many bytes went onto the wire. Imported only where a sink has `tls = true`: OpenSSL costs 5 MiB (ADR 9).
"""

from __future__ import annotations

import os
import ssl
import stat
from contextlib import suppress
from pathlib import Path

from slurmlens.config.tls import TlsSettings
from slurmlens.errors import DeliveryError

_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_END_OF_KEY_LABEL = b"PRIVATE KEY-----"
_READ_BYTES = 65_536

_Stamp = tuple[tuple[int, int, int], ...]


class Tls:
    """Makes the sessions of one sink; `table` is where its settings stand, for messages.

    `server_name` is the name in the receiver's certificate, where that is not the host it is reached at.
    """

    def __init__(self, settings: TlsSettings, table: str, server_name: str | None = None) -> None:
        self._settings = settings
        self._table = table
        self._server_name = server_name
        self._context: ssl.SSLContext | None = None
        self._stamp: _Stamp = ()

    def session(self, host: str) -> Session:
        """A session with the receiver at `host`, not begun; otherwise as `context`."""
        name = self._server_name or host
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            wrapped = self.context().wrap_bio(incoming, outgoing, server_hostname=name)
        except ValueError as error:
            raise self._unusable("server_name", f"{name!r} cannot be the name of a host: {error}") from error
        return Session(wrapped, incoming, outgoing)

    def context(self) -> ssl.SSLContext:
        """For connections that are made now; blocks on files, raises as `session` does."""
        stamp = tuple(self._stamp_of(key) for key in ("ca_file", "certificate_file", "key_file"))
        if self._context is None or stamp != self._stamp:
            self._context, self._stamp = self._made(), stamp
        return self._context

    def _made(self) -> ssl.SSLContext:
        settings = self._settings
        try:
            context = ssl.create_default_context(cafile=settings.ca_file)
        except (ssl.SSLError, OSError) as error:
            raise self._unusable(
                "ca_file", f"{settings.ca_file} holds no certificates in PEM: {_text(error)}"
            ) from error
        certificate, key = settings.certificate_file, settings.key_file
        if certificate is None or key is None:
            return context
        self._check(certificate, key)
        try:
            context.load_cert_chain(certificate, key, password=self._no_passphrase)
        except (ssl.SSLError, OSError) as error:
            message = f"{certificate} and the key in {key} do not work together: {_text(error)}"
            raise self._unusable("certificate_file", message) from error
        return context

    def _check(self, certificate: Path, key: Path) -> None:
        """OpenSSL does not tell which of the two files it dislikes."""
        if _BEGIN_CERTIFICATE not in certificate.read_bytes():
            raise self._unusable("certificate_file", f"{certificate} holds no certificate in PEM")
        if _END_OF_KEY_LABEL not in key.read_bytes():
            raise self._unusable("key_file", f"{key} holds no private key in PEM")
        if stat.S_IMODE(os.stat(key).st_mode) & 0o007:
            raise self._unusable("key_file", f"{key} is open to everybody: chmod 640")

    def _stamp_of(self, key: str) -> tuple[int, int, int]:
        """What changes when the file does; also the one place that finds it missing or closed to us."""
        path: Path | None = getattr(self._settings, key)
        if path is None:
            return (0, 0, 0)
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
        except OSError as error:
            raise self._unusable(key, f"{path}: {error.strerror}") from error
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def _no_passphrase(self) -> str:
        # Without this OpenSSL would ask at the terminal.
        raise self._unusable("key_file", f"{self._settings.key_file} has a passphrase: give a key without")

    def _unusable(self, key: str, message: str) -> DeliveryError:
        return DeliveryError(f"{self._table}.{key}: {message}", reason="tls_files")


class Session:
    """One connection's TLS, as bytes in and bytes out. DeliveryError, reason `tls`, where the two sides disagree."""

    def __init__(self, wrapped: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._wrapped = wrapped
        self._incoming = incoming
        self._outgoing = outgoing

    def take(self) -> bytes:
        """What is to be put onto the wire now."""
        return self._outgoing.read()

    def handshake(self, received: bytes) -> bool:
        """Go on with the handshake; whether it is complete. What `take` gives is due in any case."""
        self._incoming.write(received)
        try:
            self._wrapped.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise DeliveryError(f"TLS: {_text(error)}", reason="tls") from error
        return True

    def encrypt(self, data: bytes) -> bytes:
        """`data` as records."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._wrapped.write(rest) :]
        except ssl.SSLError as error:
            raise DeliveryError(f"TLS: {_text(error)}", reason="tls") from error
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> tuple[bytes, bool]:
        """What records say, and whether the peer has said all (close_notify)."""
        self._incoming.write(received)
        said = bytearray()
        try:
            while chunk := self._wrapped.read(_READ_BYTES):
                said += chunk
        except ssl.SSLWantReadError:
            return bytes(said), False
        except ssl.SSLZeroReturnError:
            return bytes(said), True
        except ssl.SSLError as error:
            raise DeliveryError(f"TLS: {_text(error)}", reason="tls") from error
        return bytes(said), True

    def end(self) -> bytes:
        """The records that say that nothing more will come from us."""
        # It would wait for the peer's own end, which is of no interest; ours is written.
        with suppress(ssl.SSLError):
            self._wrapped.unwrap()
        return self._outgoing.read()


def _text(error: OSError) -> str:
    """What OpenSSL means, without the place in its own source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the receiver's certificate is not accepted: {error.verify_message}"
    reason = getattr(error, "reason", None) or error.strerror
    return str(reason or error).replace("_", " ").lower() if isinstance(error, ssl.SSLError) else str(reason)
