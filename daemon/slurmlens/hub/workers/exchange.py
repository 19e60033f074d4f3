"""Takes facts of `news` from one worker to the others, by the database server's NOTIFY.

Owns which kinds of facts cross, and the form of a payload: `[worker, [[kind, {fields}], …]]`. Invariants: a fact from
elsewhere is published here and sent no further; what is told of the same thing within a moment is sent once; where
facts may have been lost (too many, a worker that died, a connection that broke) every hearer is told that it missed
some, and reads anew. A payload that cannot be read (a newer release's) counts as missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec

from slurmlens.hub.news import (
    BatchStored,
    Fact,
    FindingsChanged,
    JobLookedAt,
    Missed,
    News,
    NodesStored,
    ProfileGrew,
    ProgressTold,
    RunsChanged,
    RunsMarked,
    SightingBegan,
    SightingEnded,
    SightingsClosed,
)

GATHER_S = 0.05
MOST_WAITING = 20_000
MOST_PAYLOAD_BYTES = 7_900
"""PostgreSQL takes less than 8,000."""

CROSSING: tuple[type[Fact], ...] = (
    BatchStored,
    FindingsChanged,
    JobLookedAt,
    NodesStored,
    ProfileGrew,
    ProgressTold,
    RunsChanged,
    RunsMarked,
    SightingBegan,
    SightingEnded,
    SightingsClosed,
)
_BY_NAME: dict[str, type[Fact]] = {kind.__name__: kind for kind in CROSSING} | {Missed.__name__: Missed}
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[str, list[tuple[str, dict[str, msgspec.Raw]]]])


class Exchange:
    """One worker's side."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._heard = news.subscribe(*CROSSING, most_waiting=MOST_WAITING)

    async def send(self, worker: str, notify: Callable[[str], Awaitable[None]]) -> None:
        """Sends what is published here, for ever; raises what `notify` raises."""
        while True:
            await self._heard.wait()
            await asyncio.sleep(GATHER_S)
            for payload in payloads(worker, self._heard.take_all()):
                await notify(payload)

    def missed(self) -> None:
        """Has everybody here read anew: the others may have told what did not arrive."""
        self._news.publish_missed(unless=self._heard)

    def receive(self, worker: str, payload: str) -> None:
        """Publishes here what another worker sent."""
        try:
            sender, facts = facts_of(payload)
        except (msgspec.DecodeError, KeyError):
            self.missed()
            return
        if sender == worker:
            return
        for fact in facts:
            if isinstance(fact, Missed):
                self.missed()
            else:
                self._news.publish(fact, unless=self._heard)


def payloads(worker: str, facts: Sequence[Fact]) -> Iterator[str]:
    """The facts in as few payloads as hold them; one that no payload holds becomes a Missed."""
    head = _encoder.encode(worker)
    room = MOST_PAYLOAD_BYTES - len(head) - len(b"[,[]]")
    parts: list[bytes] = []
    size = 0
    for fact in facts:
        part = _encoder.encode((type(fact).__name__, msgspec.to_builtins(fact)))
        if len(part) > room:
            part = _encoder.encode((Missed.__name__, {}))
        if size + len(part) > room:
            yield _payload(head, parts)
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield _payload(head, parts)


def facts_of(payload: str) -> tuple[str, list[Fact]]:
    """Who sent it, and what; DecodeError or KeyError where it is not of this form, or of a kind that is not known."""
    sender, told = _decoder.decode(payload)
    return sender, [_fact(_BY_NAME[name], fields) for name, fields in told]


def _fact(kind: type[Fact], fields: dict[str, msgspec.Raw]) -> Fact:
    return msgspec.json.decode(_encoder.encode(fields), type=kind)


def _payload(head: bytes, parts: Sequence[bytes]) -> str:
    return (b"[" + head + b",[" + b",".join(parts) + b"]]").decode()
