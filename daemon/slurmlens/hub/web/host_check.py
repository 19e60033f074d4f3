"""Checks `Host` and `Origin` of a request, so that a foreign page cannot have a visitor's browser read the hub.

A page of a stranger can give its own name the hub's address (DNS rebinding) and then read the hub with the visitor's
browser, even on loopback. Such a request carries the stranger's name in `Host`. So a hub on loopback answers for
loopback and the names in `[listen] names` alone; one on the network does so where `names` is set. An address in place
of a name is never a stranger's. `Origin`, where a browser sends it, must be the host that is asked. `/api/v1/events` is
left out: whoever sends there proves itself with each request, and calls the hub as it likes. So is the Unix socket,
which no page of a browser reaches.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slurmlens.config.hub import HubListenConfig
from slurmlens.errors import PageError
from slurmlens.hub.web.session import peer_uid

EVENTS_PATH = "/api/v1/events"
LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
OLDEST_HTTP = (1, 0)


def host_middleware(listen: HubListenConfig) -> Middleware:
    """Refuses what is asked by a foreign name or from a foreign page; PageError says what to set."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if tuple(request.version) < OLDEST_HTTP:
            raise PageError(505, "http_version", "This version of HTTP is not spoken here", "Use HTTP/1.1.")
        if request.path != EVENTS_PATH and peer_uid(request) is None:
            check_host(listen, request.headers.get("Host", ""))
            check_origin(request.headers.get("Host", ""), request.headers.get("Origin"))
        return await handler(request)

    return middleware


def check_host(listen: HubListenConfig, told: str) -> None:
    """PageError where the hub is not called by a name of its own; `told` is the header `Host`."""
    name = host_name(told)
    if name in {one.lower() for one in listen.names} or name == listen.host.lower():
        return
    is_loopback = listens_on_loopback(listen.host)
    if address := _address(name):
        if not is_loopback or address.is_loopback:
            return
    elif (is_loopback and name in LOOPBACK_NAMES) or (not is_loopback and not listen.names):
        return
    message = f"This hub is not called {name[:80]!r}" if name else "The request names no host"
    advice = "Where it shall be, add the name to [listen] names in the hub's settings."
    raise PageError(421, "host", message, advice)


def check_origin(host: str, origin: str | None) -> None:
    """PageError where a page of another site asks; browsers name it in `Origin`."""
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise PageError(403, "origin", "A page of another site asked", "Open the hub's own pages.")


def host_name(told: str) -> str:
    """The name or address in a header `Host`, without port and brackets, in lower case; "" where it holds none."""
    try:
        return (urlsplit(f"//{told}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def listens_on_loopback(host: str) -> bool:
    """Whether nobody beyond this machine reaches what listens there."""
    address = _address(host)
    return host.lower() in LOOPBACK_NAMES or (address is not None and address.is_loopback)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
