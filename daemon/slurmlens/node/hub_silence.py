"""Asks the hub every few seconds whether this node is to be silent, and makes or removes the flag that hooks look at.

Owns the flag file and nothing of what silence means: that is the kill switch's, the hooks' and the plugin's, who look
at it. Invariants: a hub that is away, or a relay that knows no such address, changes nothing: what was said last holds;
a flag that cannot be made is reported once. Fed by the hub's `[silence]`; wired by `pipeline`.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from slurmlens.errors import DiscoveryError, TransportError
from slurmlens.runtime.http import HttpClient
from slurmlens.telemetry.internal import InternalEvent, Reporter

ASK_EVERY_S = 8.0
_HEADERS = [("Accept", "application/json")]

TOLD = InternalEvent("hub_silence_told", logging.WARNING, "the hub wants this node {state}")
FLAG_FAILED = InternalEvent(
    "hub_silence_failed", logging.ERROR, "{path}: {cause_text}; hooks and plugin do not hear that the hub wants silence"
)


class _SilenceAnswer(msgspec.Struct, frozen=True):
    silent: bool


_decode = msgspec.json.Decoder(_SilenceAnswer).decode


class HubSilence:
    """The stage. `on_change` is told when the flag was made or removed."""

    def __init__(
        self, client: HttpClient, node: str, flag: Path, on_change: Callable[[], None], reporter: Reporter
    ) -> None:
        self._client = client
        self._node = node
        self._flag = flag
        self._on_change = on_change
        self._reporter = reporter
        self._last: bool | None = None

    async def run(self) -> None:
        """For ever; nodes that were started together ask one after another."""
        await asyncio.sleep(zlib.crc32(self._node.encode()) / 2**32 * ASK_EVERY_S)
        try:
            while True:
                await self.ask()
                await asyncio.sleep(ASK_EVERY_S)
        finally:
            await self._client.aclose()

    async def ask(self) -> None:
        """Asks once, and obeys."""
        try:
            answer = await self._client.request("GET", f"/api/v1/silence/{self._node}", _HEADERS)
            is_silent = _decode(answer.body).silent if answer.status == 200 else self._last
        except (TransportError, DiscoveryError, msgspec.DecodeError):
            return  # what delivers to the hub says that it is away
        if is_silent is not None and is_silent != self._last:
            self._obey(is_silent)

    def _obey(self, is_silent: bool) -> None:
        try:
            if is_silent:
                self._flag.touch()
            else:
                self._flag.unlink(missing_ok=True)
        except OSError as error:
            if self._last is None and not is_silent:
                self._last = False  # nothing to take away, and no folder to take it from
                return
            self._reporter.report(FLAG_FAILED, path=self._flag, cause_text=error.strerror)
        if self._last is not None or is_silent:
            self._reporter.report(TOLD, state="silent" if is_silent else "to be heard again")
        self._last = is_silent
        self._on_change()
