"""`/api/v1/openapi.json`: what the JSON addresses are, for programs that make programs.

Made once, from the table of routes; fed by `routes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from slurmlens.hub.web.answers import bytes_answer


class ApiDescriptionPage:
    """The description, made when it is first asked for: only then are the routes complete."""

    def __init__(self, describe: Callable[[], dict[str, Any]]) -> None:
        self._describe = describe
        self._made: bytes | None = None

    async def show(self, _: web.Request) -> web.Response:
        """`GET /api/v1/openapi.json`."""
        if self._made is None:
            self._made = msgspec.json.encode(self._describe()) + b"\n"
        return bytes_answer(self._made)
