"""How a node proves to the hub who it is: a MUNGE credential for each request, or a token from a file.

Owns the payload that binds a credential to its request (`docs/specs/hub-api.md`). Functions here block (munged, a file)
and are called from a thread by the hub sink.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from slurmlens.config.sinks import HubSinkConfig
from slurmlens.errors import DeliveryError, RefusedError, SourceError
from slurmlens.runtime import munge
from slurmlens.runtime.request_proof import events_payload

Proof = Callable[[bytes], str]
"""From a body as it is sent to the value of the Authorization header; DeliveryError where there is none to be had."""

_MAX_TOKEN_BYTES = 4096


def proof_of(config: HubSinkConfig, node: str) -> Proof:
    """The proof that the settings ask for."""
    if config.auth == "token" and config.token_file is not None:
        path = config.token_file
        return lambda body: f"Bearer {read_token(path)}"
    return lambda body: f"Munge {_credential(events_payload(node, body), config.munge_socket)}"


def read_token(path: Path) -> str:
    """The token in `path`; the file must not be readable by everybody. Read anew each time, so it can be changed."""
    try:
        with open(path, "rb") as file:
            everybody = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o007
            token = file.read(_MAX_TOKEN_BYTES + 1).strip()
    except OSError as error:
        raise DeliveryError(f"token file {path}: {error.strerror}", reason="token") from error
    if everybody:
        raise DeliveryError(f"token file {path} is open to everybody: chmod 640", reason="token")
    if not token or len(token) > _MAX_TOKEN_BYTES or not token.decode("latin-1").isascii() or b" " in token:
        raise DeliveryError(f"token file {path} must hold one word in ASCII", reason="token")
    text = token.decode("ascii")
    if not text.isprintable():
        raise DeliveryError(f"token file {path} must hold one word in ASCII", reason="token")
    return text


def _credential(payload: bytes, socket_path: Path | None) -> str:
    try:
        return munge.encode(payload, socket_path=socket_path).decode("ascii")
    except (SourceError, RefusedError) as error:
        raise DeliveryError(str(error), reason="munge") from error
