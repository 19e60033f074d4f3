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
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

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


def own_addresses(proc_net: Path = Path("/proc/self/net")) -> frozenset[str]:
    """Every address of this host, from the kernel's files: getifaddrs would need AF_NETLINK, which our units forbid."""
    tables = (("fib_trie", local_ipv4), ("if_inet6", local_ipv6))
    return frozenset(address for name, read in tables for address in read(_text(proc_net / name)))


def local_ipv4(fib_trie: str) -> frozenset[str]:
    """The addresses that `/proc/net/fib_trie` has as this host's: `|-- ADDRESS`, and below it `/32 host LOCAL`."""
    lines = [line.split() for line in fib_trie.splitlines()]
    return frozenset(
        leaf[1]
        for leaf, kind in pairwise(lines)
        if len(leaf) == 2 and leaf[0] == "|--" and kind == ["/32", "host", "LOCAL"] and _is_address(leaf[1])
    )


def local_ipv6(if_inet6: str) -> frozenset[str]:
    """The addresses of `/proc/net/if_inet6`: 32 hexadecimal digits begin each line."""
    found = set()
    for line in if_inet6.splitlines():
        with suppress(ValueError, IndexError):
            found.add(str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))))
    return frozenset(found)


def _text(path: Path) -> str:
    """Empty where a kernel without that protocol has no such file."""
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
