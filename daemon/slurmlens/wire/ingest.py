"""The protocol by which events are taken, as `docs/specs/hub-api.md` has it; pure.

Owns bodies (gzip or not, bounded whatever they unpack to), lines that are refused for ever, and the form of answers.
The hub and the relay speak it alike: bytes in, `IngestAnswer` out. `runtime.authentication` says how a node proves
itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

import msgspec

from slurmlens.errors import DecodeError, DeliveryError, RefusedError, SlurmlensError, SourceError
from slurmlens.events import AnyEvent, Event
from slurmlens.wire import ecs
from slurmlens.wire.event_values import check_values

MAX_REFUSED_TOLD = 200
RELAY_HEADER = "x-slurmlens-relay"

_GZIP = 31


class IngestAnswer(NamedTuple):
    """What goes back to the node: HTTP status and JSON."""

    status: int
    body: bytes


class IngestLine(NamedTuple):
    """One line of a body, from 1: its event, or why it is refused for ever."""

    number: int
    event: AnyEvent | None
    problem: DecodeError | None


class RefusedLine(msgspec.Struct, frozen=True):
    """A line that is refused for ever, as answers name it."""

    line: int
    reason: str
    message: str


class TooLarge(DecodeError):
    """More than a request may hold."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="too_large")


def check_role(headers: Mapping[str, str], speaker: str, relays: Collection[str]) -> bool:
    """Whether the request is a relay's, which may tell of other nodes; RefusedError for one that is not trusted.

    It says so itself: without that, a relay that was forgotten here would have its lines refused for ever.
    """
    if speaker in relays:
        return True
    if RELAY_HEADER in headers:
        raise RefusedError(f"{speaker} is no relay of ours: list it in [auth] relays", reason="relay", status=403)
    return False


def lines_of(body: bytes, may_tell: Callable[[str], bool], cluster: str) -> Iterator[IngestLine]:
    """Every line of NDJSON; `may_tell` says whether the sender may tell of that node."""
    for number, found in ecs.decode_lines(body):
        if isinstance(found, DecodeError):
            yield IngestLine(number, None, found)
        elif problem := problem_of(found, may_tell, cluster):
            yield IngestLine(number, None, problem)
        else:
            yield IngestLine(number, found, None)


def problem_of(
    event: Event, may_tell: Callable[[str], bool], cluster: str, now_ns: int | None = None
) -> DecodeError | None:
    """Why an event can't be taken although it decodes; `now_ns` as `event_values.check_values` takes it."""
    if not may_tell(event.node):
        return DecodeError(f"host.name is {event.node!r}, but another node sent it", reason="node")
    if event.cluster != cluster:
        message = f"cluster is {event.cluster!r}, here it is {cluster!r}: make `cluster` the same in both"
        return DecodeError(message, reason="cluster")
    try:
        check_values(event, now_ns)
    except DecodeError as error:
        return error
    return None


def check_not_all_foreign(taken: int, refused: list[RefusedLine]) -> None:
    """RefusedError where every line is of another cluster: a slip in one of two configurations, and it can be mended.

    The node keeps its events until it is.
    """
    if refused and not taken and {one.reason for one in refused} == {"cluster"}:
        raise RefusedError(refused[0].message, reason="cluster", status=403)


def unpack(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body as NDJSON; never makes more than `max_bytes` of it, whatever the gzip holds."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise DecodeError(f"content-encoding {encoding[:40]!r}: send gzip or nothing", reason="encoding")
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise DecodeError(f"no gzip: {error}", reason="gzip") from error
    if len(unpacked) > max_bytes:
        raise TooLarge(f"the body unpacks to more than {max_bytes} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise DecodeError("the gzip ends too early or too late", reason="gzip")
    return unpacked


def status_of(error: SlurmlensError) -> int:
    """The HTTP status by which a request is refused."""
    if isinstance(error, RefusedError):
        return error.status
    if isinstance(error, TooLarge):
        return 413
    if isinstance(error, SourceError | DeliveryError):
        return 503
    return 400


def answer(status: int, **fields: object) -> IngestAnswer:
    """An answer with these members."""
    return IngestAnswer(status, msgspec.json.encode(fields))
