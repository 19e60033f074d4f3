"""Delivers events, or log lines, to slurmlens-hub: NDJSON, gzip, proved by a credential, over one kept HTTP connection,
with TLS or without.

Owns the meaning of the hub's answers (`docs/specs/hub-api.md`): what was taken, what was refused for ever, what is
worth another try. Driven by `delivery`. The hub says in each answer how often it wants profiles; a callback is told.
It also says which schemas it reads: profiles go packed (`wire.packed_body`) to one that reads them so, and as JSON
again, at once and nothing lost, to one that turns out not to. A relay speaks in the same way to the hub; its nodes,
which may reach other receivers by it, send it JSON.
"""

from __future__ import annotations

import asyncio
import logging
import math
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from slurmlens import __version__
from slurmlens.config.sinks import HubSinkConfig
from slurmlens.delivery.sinks.proof import Proof
from slurmlens.errors import DeliveryError, TransportError
from slurmlens.runtime.endpoint import Endpoint
from slurmlens.runtime.http import STALE, Answer, HttpClient
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.packed_body import PACKED_SCHEMA_VERSION, PACKED_TYPE, pack_body

if TYPE_CHECKING:
    from slurmlens.runtime.tls import ClientTls

TARGET = "/api/v1/events"
LOGS_TARGET = "/api/v1/logs"
LINE_REFUSED = InternalEvent(
    "hub_refused_lines", logging.ERROR, "the hub refused line {line}, it is lost: {problem}", ("reason",)
)
_SCHEMA_REFUSED = "version"
_GZIP = 31  # zlib's window bits: the largest window, with gzip's header
_LEVEL = 3
_MAX_TEXT = 300
LONGEST_RETRY_AFTER_S = 60.0
"""What a hub, or a proxy before it, may have us wait: more would be an outage of its making."""

MANGLED_LIMIT = 10
"""So often in a row the hub must find a request unreadable to be believed: a byte that changed on its way makes it so,
and the next try is whole."""


class _RefusedByHub(msgspec.Struct):
    line: int
    reason: str
    message: str = ""


class _Taken(msgspec.Struct):
    """The body of a 200."""

    accepted: int
    known: int
    refused: list[_RefusedByHub] = []
    profile_interval_s: float | None = None
    profile_intervals_s: dict[str, float] = {}
    """By node; sent to relays."""
    schemas: list[int] = []
    """Those that it reads; a hub before they were told reads the first alone."""

    @property
    def refused_a_schema(self) -> bool:
        return any(one.reason == _SCHEMA_REFUSED for one in self.refused)

    @property
    def understood_nothing(self) -> bool:
        """Not a line was JSON, and ours always are: it took packed bytes for lines, or other bytes than we sent."""
        is_empty = not self.accepted and not self.known and bool(self.refused)
        return is_empty and all(one.reason in ("malformed", "json") for one in self.refused)


class _Denied(msgspec.Struct):
    """The body of anything else, where the hub made it."""

    reason: str = ""
    message: str = ""


class _RequestBody(NamedTuple):
    """A request's body, what it is by its headers, and what proves it."""

    body: bytes
    kind: list[tuple[str, str]]
    authorization: str
    is_packed: bool


_PLAIN = [("Content-Type", "application/x-ndjson"), ("Content-Encoding", "gzip")]
_PACKED = [("Content-Type", PACKED_TYPE)]

_decode_taken = msgspec.json.Decoder(_Taken).decode
_decode_denied = msgspec.json.Decoder(_Denied).decode


class HubSink:
    """Sends lines of NDJSON to one address of the hub: events, or, where `target` says so, log lines."""

    def __init__(
        self,
        config: HubSinkConfig,
        endpoint: Endpoint,
        node: str,
        proof: Proof,
        reporter: Reporter,
        on_profile_interval: Callable[[float], None],
        on_profile_intervals: Callable[[Mapping[str, float]], None] | None = None,
        *,
        tls: ClientTls | None = None,
        name: str = "hub",
        target: str = TARGET,
    ) -> None:
        self.name = name
        self._target = target
        self._client = HttpClient(endpoint, timeout_s=config.timeout_s, tls=tls)
        self._node = node
        self._proof = proof
        self._reporter = reporter
        self._on_profile_interval = on_profile_interval
        self._on_profile_intervals = on_profile_intervals
        self._mangled_in_a_row = 0
        self._reads_packed = False

    async def deliver(self, payload: bytes, count: int) -> int:
        """See `delivery.Sink`. A request that the hub finds too large is sent again in halves."""
        answer, was_packed = await self._post(payload)
        taken = _taken(answer) if answer.status == 200 else None
        if was_packed and _did_not_read_packed(answer.status, taken):
            self._reads_packed = False  # another hub than the one that said so
            return await self.deliver(payload, count)
        is_mangled = answer.status == 400 or (taken is not None and taken.understood_nothing)
        self._mangled_in_a_row = self._mangled_in_a_row % MANGLED_LIMIT + 1 if is_mangled else 0
        is_believed = self._mangled_in_a_row in (0, MANGLED_LIMIT)
        if taken is not None and is_believed:
            return max(0, count - self._note(taken))
        if taken is not None:
            raise DeliveryError("the hub could not read a single line", reason="mangled")
        if answer.status == 413:
            return await self._deliver_halves(payload)
        denied = _denied(answer)
        raise DeliveryError(
            f"the hub answered {answer.status} {denied.reason} {denied.message}".strip()[:_MAX_TEXT],
            reason=f"http_{answer.status}",
            retriable=answer.status != 400 or not is_believed,
            wait_s=_asked_to_wait_s(answer),
        )

    async def aclose(self) -> None:
        """See `delivery.Sink`."""
        await self._client.aclose()

    async def _post(self, payload: bytes) -> tuple[Answer, bool]:
        """The hub's answer, and whether it was to packed profiles."""
        try:
            try:
                return await self._post_once(payload)
            except TransportError as error:
                if error.reason != STALE:
                    raise
            return await self._post_once(payload)
        except TransportError as error:
            raise DeliveryError(str(error), reason=error.reason) from error

    async def _post_once(self, payload: bytes) -> tuple[Answer, bool]:
        # Each request needs a credential of its own: it is good once.
        sent = await asyncio.to_thread(self._prepare, payload)
        answer = await self._client.request("POST", self._target, self._headers(sent), sent.body)
        return answer, sent.is_packed

    def _prepare(self, payload: bytes) -> _RequestBody:
        """Compress and prove; in a thread, for munged may take its time."""
        packed = pack_body(payload, _LEVEL) if self._reads_packed else None
        if packed is not None:
            return _RequestBody(packed, _PACKED, self._proof(packed), is_packed=True)
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        body = packer.compress(payload) + packer.flush()
        return _RequestBody(body, _PLAIN, self._proof(body), is_packed=False)

    def _headers(self, sent: _RequestBody) -> list[tuple[str, str]]:
        role = [] if self._on_profile_intervals is None else [("X-Slurmlens-Relay", "yes")]
        return [
            *role,
            *sent.kind,
            ("X-Slurmlens-Node", self._node),
            ("User-Agent", f"slurmlens-node/{__version__}"),
            ("Authorization", sent.authorization),
        ]

    def _note(self, taken: _Taken) -> int:
        """Take the hub's word: how many lines it refused for ever, what it reads, and how often it wants profiles."""
        self._reads_packed = PACKED_SCHEMA_VERSION in taken.schemas
        for refused in taken.refused:
            text = f"{refused.reason}: {refused.message}"[:_MAX_TEXT]
            self._reporter.report(LINE_REFUSED, reason=refused.reason[:40], line=refused.line, problem=text)
        interval_s = taken.profile_interval_s
        if interval_s is not None and math.isfinite(interval_s) and interval_s > 0:
            self._on_profile_interval(interval_s)
        if self._on_profile_intervals is not None and taken.profile_intervals_s:
            sane = {node: wish for node, wish in taken.profile_intervals_s.items() if math.isfinite(wish) and wish > 0}
            self._on_profile_intervals(sane)
        return len(taken.refused)

    async def _deliver_halves(self, payload: bytes) -> int:
        lines = payload.splitlines(keepends=True)
        if len(lines) == 1:
            text = f"too_large: {len(payload)} bytes"
            self._reporter.report(LINE_REFUSED, reason="too_large", line=1, problem=text)
            return 0
        middle = len(lines) // 2
        taken = await self.deliver(b"".join(lines[:middle]), middle)
        return taken + await self.deliver(b"".join(lines[middle:]), len(lines) - middle)


def _did_not_read_packed(status: int, taken: _Taken | None) -> bool:
    """Whether an answer to packed profiles may be one that they alone have earned."""
    if taken is None:
        return status in (400, 415)
    return taken.understood_nothing or taken.refused_a_schema


def _taken(answer: Answer) -> _Taken:
    try:
        return _decode_taken(answer.body)
    except msgspec.DecodeError as error:
        raise DeliveryError(f"the hub's answer is not understood: {error}"[:_MAX_TEXT], reason="garbage") from error


def _asked_to_wait_s(answer: Answer) -> float:
    """Retry-After in seconds, of an answer that says to come back (RFC 9110, 10.2.3); its dates no hub sends."""
    seconds = answer.header("retry-after") or ""
    if answer.status not in (429, 503) or not seconds.isascii() or not seconds.isdecimal():
        return 0.0
    return min(float(seconds[:6]), LONGEST_RETRY_AFTER_S)


def _denied(answer: Answer) -> _Denied:
    try:
        return _decode_denied(answer.body)
    except msgspec.DecodeError:
        return _Denied(message=ascii(answer.body[:80].decode("utf-8", "replace")))
