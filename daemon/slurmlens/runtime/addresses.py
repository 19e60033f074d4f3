"""Which addresses a host name has, remembered for a while, and which this very host has.

Owns the cache of resolved names. Several nodes may be on this very host (tests, small sites): there, any address of
this host counts for any of them, for munged takes the one its host name resolves to. Used by whoever checks where a
credential was made: the hub's `origins` and the relay's.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable

import psutil

from slurmlens.clock import NS_PER_S, Clock

CACHE_S = 300
_CACHE_NAMES = 100_000

Resolve = Callable[[str], Awaitable[frozenset[str]]]


class Addresses:
    """Addresses by host name. `own` are this host's."""

    def __init__(self, clock: Clock, resolve: Resolve | None = None, own: frozenset[str] | None = None) -> None:
        self._clock = clock
        self._resolve = resolve or resolve_name
        self._own = own_addresses() if own is None else own
        self._resolved: dict[str, tuple[int, frozenset[str]]] = {}

    async def has(self, address: str, names: Iterable[str]) -> bool:
        """Whether the address is one of these names' (or they and the address are this host's)."""
        addresses = frozenset().union(*[await self._of(name) for name in sorted(names)])
        return address in addresses or (self._is_own(address) and any(self._is_own(one) for one in addresses))

    async def _of(self, name: str) -> frozenset[str]:
        if _is_address(name):
            return frozenset({name})
        now_ns = self._clock.monotonic_ns()
        cached = self._resolved.get(name)
        if cached and now_ns - cached[0] < CACHE_S * NS_PER_S:
            return cached[1]
        addresses = await self._resolve(name)
        if len(self._resolved) > _CACHE_NAMES:
            self._resolved.clear()
        if addresses:  # a name server that is down for a moment must not be believed for minutes
            self._resolved[name] = now_ns, addresses
        return addresses

    def _is_own(self, address: str) -> bool:
        return address in self._own or (_is_address(address) and ipaddress.ip_address(address).is_loopback)


async def resolve_name(name: str) -> frozenset[str]:
    """All addresses of a host name; none where it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(entry[4][0]) for entry in found)


def own_addresses() -> frozenset[str]:
    """Every address of this host."""
    families = (socket.AF_INET, socket.AF_INET6)
    interfaces = psutil.net_if_addrs().values()
    return frozenset(one.address.split("%")[0] for own in interfaces for one in own if one.family in families)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
