"""The faults of an ordeal: what is done to whom. A `Fault` is struck, and undone where it lasts.

Owns the table of what can be done to each target: the daemon, each receiver's process, each connection, the disk, the
clock. Receivers that cannot notice that bytes were changed on their way are spared that.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from conservation.receivers import Victim
from testkit.fault_proxy import FaultProxy, Harm, Trap, Way

if TYPE_CHECKING:
    from conservation.ordeal import Ordeal

FRAME_BYTES = 30_000
SLOW_BYTES_PER_S = 40_000
HOUR_S = 3600


class Connected(Protocol):
    """Of a receiver, what counts for its connection."""

    name: str
    notices_changes: bool


class Fault:
    """`strike` does it and says whether it lasts; `undo` ends it."""

    def __init__(
        self,
        kind: str,
        target: str,
        strike: Callable[[], Awaitable[object]],
        undo: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.kind = kind
        self.target = target
        self._strike = strike
        self._undo = undo

    async def strike(self) -> bool:
        await self._strike()
        return self._undo is not None

    async def undo(self) -> None:
        if self._undo is not None:
            await self._undo()


def possible(ordeal: Ordeal) -> list[Fault]:
    """Everything that can happen in this ordeal."""
    found = [*_of_node(ordeal), *_of_disk(ordeal), *_of_clock(ordeal)]
    for receiver in ordeal.receivers:
        if receiver.victim is not None:
            found += of_process(receiver.name, receiver.victim, receiver.start)
        if receiver.name in ordeal.proxies:
            found += of_connection(ordeal.chance, receiver, ordeal.proxies[receiver.name])
    return found


def _of_node(ordeal: Ordeal) -> list[Fault]:
    async def thaw() -> None:
        ordeal.node.thaw()

    async def freeze() -> None:
        await ordeal.node.freeze()

    return [
        Fault("kill", "node", lambda: ordeal.restart_node(signal.SIGKILL)),
        Fault("restart", "node", lambda: ordeal.restart_node(signal.SIGTERM)),
        Fault("freeze", "node", freeze, thaw),
    ]


def of_process(name: str, victim: Victim, start: Callable[[], Awaitable[object]]) -> list[Fault]:
    """What can be done to a receiver's process; `start` brings it back."""

    async def thaw() -> None:
        victim.thaw()

    async def again() -> None:
        await victim.end()
        await start()

    return [
        Fault("kill", name, again),
        Fault("away", name, victim.end, start),
        Fault("freeze", name, victim.freeze, thaw),
    ]


def of_connection(chance: random.Random, receiver: Connected, proxy: FaultProxy) -> list[Fault]:
    """Undone by `heal`, whatever it was; a trap that did not spring is taken up again."""
    target = f"{receiver.name}'s connection"

    def at_once(kind: str, act: Callable[[], object]) -> Fault:
        async def strike() -> None:
            act()

        return Fault(kind, target, strike, proxy.heal)

    def trapped(harm: Harm, way: Way, most_bytes: int) -> Fault:
        # Heads of frames are short, and what is in them decides: as many traps in the first 100 bytes as behind them.
        def act() -> object:
            return proxy.arm(Trap(harm, way, round(most_bytes ** chance.random()) - 1, 1 << chance.randrange(8)))

        return at_once(f"{harm.value} in a frame, {way.value}", act)

    found = [
        at_once("cut", proxy.cut),
        at_once("reset", proxy.reset),
        at_once("refuse", lambda: (proxy.refuse(), proxy.reset())),
        at_once("slow", lambda: proxy.slow(SLOW_BYTES_PER_S)),
        *(at_once(f"half-close {way.value}", lambda way=way: proxy.half_close(way)) for way in Way),
        *(at_once(f"stall {way.value}", lambda way=way: proxy.stall(way)) for way in Way),
    ]
    harms = (Harm.CUT, Harm.RESET, Harm.HALF_CLOSE, Harm.STALL)
    if receiver.notices_changes:
        harms = (*harms, Harm.CORRUPT)
    for harm in harms:
        found += [trapped(harm, Way.UP, FRAME_BYTES), trapped(harm, Way.DOWN, 400)]
    return found


def _of_disk(ordeal: Ordeal) -> list[Fault]:
    async def fill() -> None:
        ordeal.disk.fill()

    return [Fault("full", "disk", fill, ordeal.disk.free)]


def _of_clock(ordeal: Ordeal) -> list[Fault]:
    async def jump() -> None:
        ordeal.clock.set(ordeal.chance.choice((-1, 1)) * ordeal.chance.randint(1, HOUR_S))

    async def back() -> None:
        ordeal.clock.set(0)

    return [Fault("jump", "clock", jump), Fault("jump, and back", "clock", jump, back)]
