"""TLS of one connection as a session that turns bytes into records and back, for either side of it.

Owns OpenSSL's state of one connection, and the translation of OpenSSL's errors. Invariant: nothing here waits or
touches a socket (`channel` carries the bytes), so that it is exactly known how many bytes went onto the wire (ADR 17).
Made by `tls`; imported only where TLS is spoken, for OpenSSL costs 5 MiB (ADR 9).
"""

from __future__ import annotations

import ssl
from contextlib import suppress

from slurmlens.errors import NO_TLS, TransportError

_PLAIN_REASONS = {
    "HTTP_REQUEST": "HTTP without TLS was spoken to a port with TLS",
    "WRONG_VERSION_NUMBER": "wrong version number: it hardly speaks TLS",
}
_NOT_YET_VALID = 9  # X509_V_ERR_CERT_NOT_YET_VALID, openssl/x509_vfy.h
_READ_BYTES = 65_536


class Session:
    """One connection's TLS, as bytes in and bytes out. TransportError, reason `tls`, where the two sides disagree,
    or `NO_TLS`.
    """

    def __init__(self, context: ssl.SSLContext, *, host: str | None = None) -> None:
        """With the server at `host`, whose name it must have; as a server where that is None. Raises ValueError for
        what cannot be a host's name.
        """
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._wrapped = context.wrap_bio(self._incoming, self._outgoing, server_side=host is None, server_hostname=host)

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
            raise _failure(error) from error
        return True

    def encrypt(self, data: bytes) -> bytes:
        """`data` as records."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._wrapped.write(rest) :]
        except ssl.SSLError as error:
            raise _failure(error) from error
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
            raise _failure(error) from error
        return bytes(said), True

    def end(self) -> bytes:
        """The records that say that nothing more will come from us."""
        # It would wait for the peer's own end, which is of no interest; ours is written.
        with suppress(ssl.SSLError):
            self._wrapped.unwrap()
        return self._outgoing.read()


def _failure(error: ssl.SSLError) -> TransportError:
    reason = NO_TLS if error.reason in _PLAIN_REASONS else "tls"
    return TransportError(f"TLS: {text_of(error)}", reason=reason)


def text_of(error: OSError) -> str:
    """What OpenSSL means, without the place in its own source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        question = "; is this machine's clock right?" if error.verify_code == _NOT_YET_VALID else ""
        return f"the other side's certificate is not accepted: {error.verify_message}{question}"
    reason = getattr(error, "reason", None) or error.strerror
    if isinstance(error, ssl.SSLError):
        return _PLAIN_REASONS.get(str(reason)) or str(reason or error).replace("_", " ").lower()
    return str(reason)
