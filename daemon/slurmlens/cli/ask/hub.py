"""The command line's way to the hub: where it is, one request, who asks, and errors that say what to do.

Owns nothing. The address is, in this order: `--hub`, the variable SLURMLENS_HUB, the hub's Unix socket on this machine,
the listening address in this machine's hub.toml, the hub's default on this machine. On the socket the kernel says who
asks; elsewhere a hub that wants to know says so (401), and the request goes again with a MUNGE credential. Used by the
commands that show what the hub knows.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar

import msgspec

from slurmlens.cli.ask.unix_http import UnixHttpHandler
from slurmlens.config.hub import SOCKET_NAME, HubConfig
from slurmlens.config.load import HUB_PATH, load_hub
from slurmlens.config.tls import ListenSettings
from slurmlens.errors import ConfigError, HubError, RefusedError, SourceError
from slurmlens.runtime import munge
from slurmlens.runtime.request_proof import payload

VARIABLE = "SLURMLENS_HUB"
TIMEOUT_S = 15.0
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # nothing is bound here
MOST_BYTES = 256 * 1024 * 1024

EXIT_DONE = 0
EXIT_NO_SUCH = 1
EXIT_USAGE = 2
EXIT_NO_HUB = 3
EXIT_REFUSED = 4
UNIX = "unix:"
EXIT_TEXT = f"""exit status:
  {EXIT_DONE}  shown
  {EXIT_NO_SUCH}  the hub knows no such job
  {EXIT_USAGE}  wrong arguments, or a filter that cannot be used
  {EXIT_NO_HUB}  the hub did not answer, or not as a hub would
  {EXIT_REFUSED}  the hub does not know who asks, or may not show that
"""

Answer = TypeVar("Answer")


class _Refusal(msgspec.Struct):
    """What the hub says where it cannot answer."""

    message: str = ""
    advice: str = ""


def add_hub_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--hub`."""
    parser.add_argument(
        "--hub",
        metavar="URL",
        help=f"address of the hub: http://HOST:PORT, or unix:/PATH of its socket (default: ${VARIABLE}, else this"
        " machine's)",
    )


def hub_address(named: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The hub's address without a slash at its end; HubError where it is no http address."""
    address = named or environment.get(VARIABLE) or _configured()
    if address.startswith(UNIX + "/"):
        return address
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HubError(f"{address!r} is no address of a hub: it looks like http://HOST:{ListenSettings().port}")
    return address.rstrip("/")


def _configured() -> str:
    try:
        config = load_hub(HUB_PATH) if HUB_PATH.is_file() else HubConfig()
    except ConfigError:
        config = HubConfig()  # that file is the hub's business; `slurmlens validate` says what is wrong with it
    local = config.local_socket or config.runtime_path / SOCKET_NAME
    if local.is_socket():
        return f"{UNIX}{local}"
    listen = config.listen
    if listen.is_tls and listen.host in WILDCARDS:
        return f"https://{socket.getfqdn()}:{listen.port}"  # its certificate is for a name
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{'https' if listen.is_tls else 'http'}://{host}:{listen.port}"


def fetch(address: str, path: str, *, method: str = "GET", body: bytes | None = None) -> bytes:
    """The answer to `METHOD address/path`; HubError with the hub's own words where it refuses.

    A credential covers method and path alone: a path that brings a body names the body's digest.
    """
    try:
        return _ask(address, path, method, {}, body)
    except HubError as error:
        if error.status != HTTPStatus.UNAUTHORIZED or address.startswith(UNIX):
            raise
        return _ask(address, path, method, {"Authorization": f"MUNGE {_credential(method, path, error)}"}, body)


def _credential(method: str, path: str, refusal: HubError) -> str:
    """Proof of who runs this program, for one request; HubError where there is no MUNGE here."""
    try:
        return munge.encode(payload(method, path)).decode()
    except (SourceError, RefusedError) as error:
        raise HubError(f"{refusal} And to prove who asks: {error}.", status=refusal.status) from error


def _ask(address: str, path: str, method: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
    socket_path = address.removeprefix(UNIX) if address.startswith(UNIX) else None
    base = address if socket_path is None else "http://localhost"
    request = urllib.request.Request(  # noqa: S310  # scheme checked
        base + path, body, headers={"Accept": "application/json", **headers}, method=method
    )
    # No proxy: hubs are inside, and a proxy from the environment would be asked even for this machine.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if socket_path is not None:
        handlers.append(UnixHttpHandler(socket_path))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S) as answer:
            answered: bytes = answer.read(MOST_BYTES)
            return answered
    except urllib.error.HTTPError as error:
        raise HubError(_refused(error), status=error.code) from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        raise HubError(f"no answer from the hub at {address} ({_why(cause)}. Name another with --hub.") from error


def _why(cause: object) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"{cause.verify_message}). Who may sign its certificate stands in the file that SSL_CERT_FILE names"
    return f"{cause}). Is slurmlens-hub running there?"


def _refused(error: urllib.error.HTTPError) -> str:
    try:
        refusal = msgspec.json.decode(error.read(65_536), type=_Refusal)
    except (msgspec.DecodeError, OSError, http.client.HTTPException):
        refusal = _Refusal()
    words = ". ".join(part.rstrip(".") for part in (refusal.message, refusal.advice) if part)
    return f"{words}." if words else f"the hub answered {error.code} {error.reason}"


def decode(body: bytes, kind: type[Answer]) -> Answer:
    """A body as the view that was asked for; HubError where another release, or no hub, wrote it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise HubError(f"the answer is none of a hub of this release: {error}") from error


def exit_status(error: HubError) -> int:
    """The status to exit with after an error."""
    known = {404: EXIT_NO_SUCH, 400: EXIT_USAGE, 401: EXIT_REFUSED, 403: EXIT_REFUSED}
    return known.get(error.status or 0, EXIT_NO_HUB)
