"""A certificate authority of the test's own, by the `openssl` command: certificates right, expired and of strangers.

Owns a folder. `Authority.issue` makes one certificate and its key; `server_context` is what a server of the test's
loads them into. `environment` is openssl's: by it a clock can be set for which they are made.
"""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "DNS:localhost,IP:127.0.0.1"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, both PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; `certificate` is what trusts them."""

    def __init__(self, folder: Path, name: str = "authority", environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._folder = folder / name
        self._folder.mkdir()
        self.certificate, self._key = self._folder / "ca.pem", self._folder / "ca.key"
        subject = ("-subj", f"/CN={name}", "-days", "2", "-keyout", self._key, "-out", self.certificate)
        self._openssl("req", "-x509", *_NEW_KEY, *subject)

    def issue(self, name: str, *, alternative_names: str = LOOPBACK, days: int = 2) -> Identity:
        """A certificate for `name`; with negative `days` it has expired."""
        identity = Identity(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request = self._folder / f"{name}.csr"
        asked = ("-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative_names}")
        self._openssl("req", *_NEW_KEY, *asked, "-keyout", identity.key, "-out", request)
        signed = ("-CA", self.certificate, "-CAkey", self._key, "-copy_extensions", "copy")
        self._openssl("x509", "-req", "-in", request, *signed, "-days", str(days), "-out", identity.certificate)
        return identity

    def _openssl(self, *arguments: str | Path) -> None:
        _openssl(*arguments, environment=self._environment)


def locked(identity: Identity) -> Path:
    """Its key once more, with a passphrase."""
    path = identity.key.with_suffix(".locked")
    _openssl("pkey", "-in", identity.key, "-aes128", "-passout", "pass:secret", "-out", path)
    return path


def server_context(identity: Identity, *, clients_ca: Path | None = None) -> ssl.SSLContext:
    """For a server that shows `identity` and, with `clients_ca`, wants a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    if clients_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients_ca)
    return context


def _openssl(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> None:
    surroundings = None if environment is None else {**os.environ, **environment}
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, env=surroundings)
