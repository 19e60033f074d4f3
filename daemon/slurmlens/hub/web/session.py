"""Who sends a request: the one place where a request of the web part becomes a `Viewer`.

Owns the cookie and the reading of what a request says of its sender; the proof is `access.control`'s. Invariant: no
handler runs for a request whose sender is not known, but those that the table of routes marks as open. Refusals are
counted by reason; those that are no mere lack of a login are told.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Collection
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slurmlens.errors import DeliveryError, PageError, RefusedError, SourceError
from slurmlens.hub.access.authenticating import ReaderRequest
from slurmlens.hub.access.control import AccessControl, Admitted
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.web.navigation import PageLook, looking_at
from slurmlens.telemetry.internal import InternalEvent, Reporter

COOKIE = "slurmlens_session"
HOW_TO_LOG_IN = "Run `slurmlens login` on a machine of the cluster and open the link that it prints."
NOT_LOGGED_IN = frozenset({"no_credential", "session"})
"""Reasons that everybody meets who opens the hub without a login."""

READER_REFUSED = InternalEvent(
    "readers_refused", logging.WARNING, "refused to show {peer} a page: {problem}", ("reason",)
)
READER_UNKNOWN = InternalEvent(
    "readers_not_logged_in", logging.DEBUG, "{peer} is not logged in: {problem}", ("reason",)
)

_ADMITTED: Any = web.RequestKey("admitted", Admitted) if hasattr(web, "RequestKey") else "slurmlens_admitted"
"""Where a request holds who asks; aiohttp before 3.14 has no keys of this kind."""
_PEER = struct.Struct("3i")


def viewer_of(request: web.Request) -> Viewer:
    """Who looks."""
    return admitted_of(request).viewer


def admitted_of(request: web.Request) -> Admitted:
    """Who looks, and by which name."""
    return cast(Admitted, request[_ADMITTED])


def session_of(request: web.Request) -> str | None:
    """The token in the browser's cookie; None where there is none."""
    return request.cookies.get(COOKIE)


def still_admitted(control: AccessControl, request: web.Request) -> Callable[[], Awaitable[bool]]:
    """Asks again, for an answer that stays open, whether its reader may go on."""
    admitted, session = admitted_of(request), session_of(request)
    return lambda: control.is_still(admitted, session)


def session_middleware(
    control: AccessControl, open_handlers: Collection[Handler], reporter: Reporter | None
) -> Middleware:
    """Admits each request or answers why not: PageError 401, 403 or 503."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        looking_at.set(None)  # a connection that was kept open may have been somebody else's
        if request.match_info.handler not in open_handlers:
            admitted = await admit(control, request, reporter)
            request[_ADMITTED] = admitted
            looking_at.set(PageLook(admitted.viewer, request.path))
        return await handler(request)

    return middleware


async def admit(control: AccessControl, request: web.Request, reporter: Reporter | None = None) -> Admitted:
    """Who asks; PageError where that is not proved, or cannot be known now."""
    try:
        return await control.admit(asked(request))
    except RefusedError as error:
        if reporter is not None:
            event = READER_UNKNOWN if error.reason in NOT_LOGGED_IN else READER_REFUSED
            reporter.report(event, reason=error.reason, peer=request.remote or "a local user", problem=error)
        message = str(error)
        raise PageError(error.status, error.reason, message[:1].upper() + message[1:], HOW_TO_LOG_IN) from error
    except (SourceError, DeliveryError) as error:
        raise PageError(503, error.reason, f"Who you are cannot be known now: {error}", "Try again.") from error


def asked(request: web.Request) -> ReaderRequest:
    """What the request says of its sender, and what the kernel says of the peer."""
    headers = [(name, value) for name, value in request.headers.items()]
    uid = peer_uid(request)
    return ReaderRequest(
        method=request.method,
        target=request.raw_path,
        headers=headers,
        address=None if uid is not None else request.remote,
        uid=uid,
        session=session_of(request),
    )


def peer_uid(request: web.BaseRequest) -> int | None:
    """The user at the other end of the Unix socket (SO_PEERCRED); None for a request that came by the network."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    _, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return int(uid)
