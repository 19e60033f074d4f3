"""A local socket that answers one JSON document: how a program fares, for whoever asks on this machine.

Owns the socket and the one order that it takes: to look at one job every second for a while. What it says is made by
the program's pipeline at each question. Whoever may open the socket (root and the group) may ask; whoever says nothing
asks for the status. Asked by `slurmlens status`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import msgspec

from slurmlens.telemetry.internal import InternalEvent, Reporter

MODE = 0o660
WRITE_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 0.2
LOOK_CLOSELY_MAX_S = 86_400.0

STATUS_UNAVAILABLE = InternalEvent(
    "status_socket_unavailable",
    logging.WARNING,
    "{path}: {cause_text}; `slurmlens status` cannot ask this daemon. Does the folder exist and may it be written?",
)


class Refusal(msgspec.Struct, frozen=True):
    """The answer to an order that was not carried out."""

    error: str


class LookClosely(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order, one line of JSON: read job `job_id` every second, for `seconds` from now."""

    job_id: int
    seconds: Annotated[float, msgspec.Meta(gt=0, le=LOOK_CLOSELY_MAX_S)]


class StatusServer:
    """Answers every connection with the document that `snapshot` makes, then hangs up.

    `look_closely` says whether it found the job; where not, and for a line that is no order, the answer is an `error`.
    """

    def __init__(
        self,
        path: Path,
        snapshot: Callable[[], Awaitable[msgspec.Struct]],
        look_closely: Callable[[LookClosely], Awaitable[bool]],
        reporter: Reporter,
    ) -> None:
        self._path = path
        self._snapshot = snapshot
        self._look_closely = look_closely
        self._reporter = reporter

    async def run(self) -> None:
        """Serve until cancelled; a socket that cannot be made is reported, and the daemon goes on without."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            server = await asyncio.start_unix_server(self._answer, self._path)
            os.chmod(self._path, MODE)
        except OSError as error:
            self._reporter.report(STATUS_UNAVAILABLE, path=self._path, cause_text=error.strerror or str(error))
            return
        async with server:
            try:
                await server.serve_forever()
            finally:
                with contextlib.suppress(OSError):
                    self._path.unlink()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(msgspec.json.encode(await self._obey(await _request(reader))) + b"\n")
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked has left
        finally:
            writer.close()

    async def _obey(self, line: bytes) -> msgspec.Struct:
        if line.strip():
            try:
                order = msgspec.json.decode(line, type=LookClosely)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                return Refusal(error=f"no order: {error}")
            if not await self._look_closely(order):
                return Refusal(error=f"job {order.job_id} is not sampled on this node")
        return await self._snapshot()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """The line that was sent; nothing where none came in time, or one that does not end."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            return await reader.readline()
    except (TimeoutError, ValueError):
        return b""
