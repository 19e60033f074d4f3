"""Settings of TLS: towards a receiver, whom we trust and how we show who we are; at a port, what we show.

Part of the tables in `config.sinks` and `config.kafka`, of `[listen]` at hub and relay; read by `runtime.tls`. Files
are looked at when a connection is made, not here: they are renewed while daemons run.
"""

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.setting import Settings, setting
from slurmlens.config.shared import MIB


class TlsSettings(Settings):
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
        yield from pair_problems(self.certificate_file, self.key_file)


class ListenSettings(Settings):
    """Where nodes bring their events; with a certificate, by TLS and not otherwise."""

    host: str = setting("127.0.0.1", "address to bind")
    port: int = setting(6830, "port to bind; 0 lets the kernel choose", minimum=0, maximum=65_535)
    max_body_bytes: int = setting(8 * MIB, "of one request, unpacked", minimum=MIB, maximum=256 * MIB)
    certificate_file: Path | None = setting(
        None,
        "PEM: who we are, with the chain up to its CA; with it this port speaks TLS and nothing else. A renewed file is"
        " taken up within a minute",
        example='"/etc/slurmlens/server.pem"',
    )
    key_file: Path | None = setting(
        None, "PEM of its key, without passphrase and closed to others", example='"/etc/slurmlens/server.key"'
    )
    client_ca_file: Path | None = setting(
        None,
        "PEM: whoever connects, people too, must show a certificate signed by one of these; nobody need where not set",
        example='"/etc/slurmlens/clients-ca.pem"',
    )

    @property
    def is_tls(self) -> bool:
        """Whether TLS is spoken at this port."""
        return self.certificate_file is not None

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.client_ca_file is not None and not self.is_tls:
            yield "client_ca_file", "is for TLS: name certificate_file and key_file too, or remove it"
        yield from pair_problems(self.certificate_file, self.key_file)


def pair_problems(certificate: Path | None, key: Path | None) -> Iterator[tuple[str, str]]:
    """A certificate and its key go together."""
    if (key is None) != (certificate is None):
        missing, given = ("certificate_file", "key_file") if certificate is None else ("key_file", "certificate_file")
        yield given, f"needs {missing} too: a certificate and its key go together"
