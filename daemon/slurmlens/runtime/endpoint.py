"""Where a receiver is: fixed by the settings, or found by service discovery while the daemon runs.

Asked by sinks and by `http` whenever they connect and before each delivery, so that a receiver that moves is followed:
a connection to an address that is no longer among the answers is given up like one that broke, and what was not
acknowledged on it is sent again. `discovery` has endpoints of its own kind; `delivery.receivers` hands out both.
Where a receiver has several addresses, `AddressRotation` says which of them a client tries: sinks and `http` ask
theirs through it.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

Address = tuple[str, int]
"""Host name or IP address, and port."""


def text_of(address: Address | None) -> str:
    """The address as messages and Host headers name it."""
    if address is None:
        return "nowhere"
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Endpoint(Protocol):
    """Where one receiver is at present."""

    def addresses(self) -> tuple[Address, ...]:
        """Where it may be reached now, the preferred first; DeliveryError (`undiscovered`) where nobody knows."""


class FixedEndpoint(msgspec.Struct, frozen=True):
    """Stands in the settings."""

    host: str
    port: int

    def addresses(self) -> tuple[Address, ...]:
        """See `Endpoint`."""
        return ((self.host, self.port),)


class AddressRotation:
    """An endpoint as one client asks it: the address whose turn it is stands first.

    It stays first as long as it works, so a stream in order keeps to one receiver, also when a better one comes back.
    When it has failed the turn is the next one's, round and round. Where it begins is the endpoint's affair: those of
    discovery have another order for each program, so many programs spread over all instances, and over all that are
    left when one dies.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._order: tuple[Address, ...] = ()
        self._turn: Address | None = None

    def addresses(self) -> tuple[Address, ...]:
        """See `Endpoint`."""
        self._order = self._endpoint.addresses()
        if self._turn not in self._order:
            return self._order
        first = self._order.index(self._turn)
        return self._order[first:] + self._order[:first]

    def failed(self, address: Address | None) -> bool:
        """Nothing could be delivered to that address; whether it is another one's turn now."""
        if address not in self._order:
            return False
        self._turn = self._order[(self._order.index(address) + 1) % len(self._order)]
        return self._turn != address
