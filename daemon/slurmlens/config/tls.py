"""Settings of TLS towards a receiver: whom we trust, and how we show who we are.

Part of the tables in `config.sinks` and `config.kafka`; read by `node.sinks.tls`. Files are looked at when a connection
is made, not here: they are renewed while daemons run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slurmlens.config.setting import setting


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The part of a sink's table that is about TLS; the receiver's certificate and name are always checked."""

    tls: bool = setting(False, "speak TLS; the receiver's certificate and its name are checked")
    ca_file: Path | None = setting(
        None,
        "PEM: who may have signed the receiver's certificate; the system's own list where not set",
        example='"/etc/slurmlens/ca.pem"',
    )
    certificate_file: Path | None = setting(
        None,
        "PEM: shows the receiver who we are, where it asks; with the chain up to its CA",
        example='"/etc/slurmlens/node.pem"',
    )
    key_file: Path | None = setting(
        None, "PEM of its key, without passphrase and closed to others", example='"/etc/slurmlens/node.key"'
    )

    @property
    def needs_openssl(self) -> bool:
        """Whether the program must load OpenSSL."""
        return self.tls

    def tls_problems(self) -> Iterator[tuple[str, str]]:
        for key in ("ca_file", "certificate_file", "key_file", "server_name"):
            if getattr(self, key, None) is not None and not self.tls:
                yield key, "is for TLS: set tls = true, or remove it"
        if (self.key_file is None) != (self.certificate_file is None):
            missing, given = (
                ("certificate_file", "key_file") if self.certificate_file is None else ("key_file", "certificate_file")
            )
            yield given, f"needs {missing} too: a certificate and its key go together"
