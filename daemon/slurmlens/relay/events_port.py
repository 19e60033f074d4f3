"""What the relay answers at its port for events: one address, in the words of `docs/specs/hub-api.md`.

Owns the meaning of the address and the form of refusals. Mounted in `runtime.http_server` by `pipeline`; hands what
came to `intake`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from slurmlens.runtime.http_server import HttpAnswer, HttpRequest
from slurmlens.wire.ingest import IngestAnswer, answer

TARGET = "/api/v1/events"

Take = Callable[[bytes, Mapping[str, str], str | None], Awaitable[IngestAnswer]]
"""Body, headers by lower-case name and the peer's address to the answer."""


class EventsPort:
    """An `HttpService`."""

    name = "relay"

    def __init__(self, take: Take) -> None:
        self._take = take

    def early(self, method: str, path: str) -> HttpAnswer | None:
        """See `HttpService`."""
        if path != TARGET:
            return self.refusal(404, "address", f"a relay takes events at {TARGET}, and nothing else")
        if method != "POST":
            return self.refusal(405, "method", "POST events")
        return None

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        """See `HttpService`."""
        told = await self._take(request.body, request.headers, request.peer)
        return HttpAnswer(told.status, told.body)

    def refusal(self, status: int, reason: str, message: str) -> HttpAnswer:
        """See `HttpService`."""
        return HttpAnswer(status, answer(status, reason=reason, message=message).body)
