"""Answers that did not change are not sent again: ETag and If-None-Match for everything that is JSON.

Owns what an answer is told by: its bytes, but for the moment at which it was made. RFC 9110, 8.8.3 and 13.1.2; the tag
is weak, since the moment differs.
"""

from __future__ import annotations

import hashlib
import re

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_MADE = re.compile(rb'"made_ns":[0-9]+')
_LENGTH = 20


def conditional_middleware() -> Middleware:
    """Tags what is JSON, and answers 304 where the asker has it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.method != "GET" or response.status != 200 or not isinstance(response, web.Response):
            return response
        if response.content_type != "application/json" or not isinstance(response.body, bytes):
            return response
        tag = tag_of(response.body)
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers={"ETag": tag})
        response.headers["ETag"] = tag
        return response

    return middleware


def tag_of(body: bytes) -> str:
    """Equal for answers that say the same, whenever they were made."""
    return f'W/"{hashlib.sha256(_MADE.sub(b"", body)).hexdigest()[:_LENGTH]}"'
