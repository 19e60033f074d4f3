"""What the relay answers at its port: events, log lines and whether a node is to be silent, in the words of
`docs/specs/hub-api.md`.

Owns the meaning of the addresses and the form of refusals. Mounted in `runtime.http_server` by `pipeline`; hands what
came to an `intake` of each stream, and that question to `silence`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from slurmlens.runtime.http_server import HttpAnswer, HttpRequest
from slurmlens.wire.ingest import IngestAnswer, answer

TARGET = "/api/v1/events"
LOGS_TARGET = "/api/v1/logs"

_SILENCE = re.compile(r"/api/v1/silence/[\w.-]{1,255}", re.ASCII)

Take = Callable[[bytes, Mapping[str, str], str | None], Awaitable[IngestAnswer]]
"""Body, headers by lower-case name and the peer's address to the answer."""

AskSilence = Callable[[str], Awaitable[IngestAnswer]]
"""The path to the answer."""


class EventsPort:
    """An `HttpService`."""

    name = "relay"

    def __init__(self, take: Take, take_log_lines: Take, ask_silence: AskSilence) -> None:
        self._takers = {TARGET: take, LOGS_TARGET: take_log_lines}
        self._ask_silence = ask_silence

    def early(self, method: str, path: str) -> HttpAnswer | None:
        """See `HttpService`."""
        if method == "GET" and _SILENCE.fullmatch(path):
            return None
        if path not in self._takers:
            return self.refusal(404, "address", f"a relay takes events at {TARGET}, log lines at {LOGS_TARGET}")
        if method != "POST":
            return self.refusal(405, "method", "POST events or log lines")
        return None

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        """See `HttpService`."""
        take = self._takers.get(request.path)
        if take is None:
            told = await self._ask_silence(request.path)
        else:
            told = await take(request.body, request.headers, request.peer)
        return HttpAnswer(told.status, told.body)

    def refusal(self, status: int, reason: str, message: str) -> HttpAnswer:
        """See `HttpService`."""
        return HttpAnswer(status, answer(status, reason=reason, message=message).body)
