"""What goes wrong on the way to an answer, said so that the reader knows what to do.

Owns the middleware that turns `PageError`, aiohttp's own HTTP errors and everything unforeseen into a page for
people or JSON for programs, each with what happened and what to do. No trace and no text of the system reaches a
browser.
"""

from __future__ import annotations

import logging

import jinja2
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slurmlens.errors import PageError
from slurmlens.shown.text import visible

_log = logging.getLogger(__name__)

CHALLENGE = "MUNGE"
"""What a command line proves itself by; browsers show no window for it."""

_ADVICE: dict[int, str] = {
    404: "There is no such page, or this hub's settings leave it out. The list of all jobs is at /jobs.",
    405: "This address can be read, not written to.",
    413: "Send less at once.",
}


def error_middleware(environment: jinja2.Environment) -> Middleware:
    """Answers for handlers that could not."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except PageError as error:
            return _answer(request, environment, error)
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            known = PageError(error.status, "http", error.reason, _ADVICE.get(error.status, ""))
            return _answer(request, environment, known, dict(error.headers))
        except Exception:
            _log.exception("a page could not be made", extra={"path": visible(request.path)[:200]})
            broken = PageError(500, "broken", "The hub could not make this page", "Its log says why; try again later.")
            return _answer(request, environment, broken)

    return middleware


def _answer(
    request: web.Request, environment: jinja2.Environment, error: PageError, headers: dict[str, str] | None = None
) -> web.Response:
    kept = {name: value for name, value in (headers or {}).items() if name.lower() == "allow"}
    if error.status == 401:
        kept["WWW-Authenticate"] = CHALLENGE
    if _wants_data(request):
        document = {"reason": error.reason, "message": error.message, "advice": error.advice}
        body = msgspec.json.encode(document) + b"\n"
        return web.Response(status=error.status, body=body, content_type="application/json", headers=kept)
    text = environment.get_template("error.html").render(error=error)
    return web.Response(status=error.status, text=text, content_type="text/html", headers=kept)


def _wants_data(request: web.Request) -> bool:
    path = request.path
    return path.endswith((".json", ".csv", "/live")) or path.startswith("/api/")
