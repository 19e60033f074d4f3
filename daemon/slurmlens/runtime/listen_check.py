"""Whether a program could take connections where its settings say, tried without staying there.

Used by each program that listens before it starts, and by `slurmlens validate`, perhaps beside one that runs: an
address in use is no error of the settings.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from slurmlens.config.auth import AuthConfig
from slurmlens.config.tls import ListenSettings
from slurmlens.errors import ConfigError
from slurmlens.runtime.authentication import TokenFile
from slurmlens.runtime.tls import ServerTls


def listening_problems(listen: ListenSettings, auth: AuthConfig) -> Iterator[ConfigError]:
    """All that keeps a program from taking events: its address, its certificate, its tokens."""
    if problem := bind_problem(listen.host, listen.port):
        yield ConfigError(problem, key="listen.host")
    for opens in (
        lambda: ServerTls(listen) if listen.is_tls else None,
        lambda: TokenFile(auth.token_file) if auth.token_file else None,
    ):
        try:
            opens()
        except ConfigError as error:
            yield error


def bind_problem(host: str, port: int) -> str | None:
    """Why this address can't be listened on; None where it can, or where somebody does already."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return f"{host!r} does not resolve ({error.strerror}): write an address of this machine"
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            if error.errno == errno.EACCES:
                return f"port {port} is for root: choose one above 1023"
            return f"{address[0]} is no address of this machine ({error.strerror}): write one that is"
    return None
