"""Where a receiver is: fixed by the settings, or found by service discovery while the daemon runs.

Asked by sinks and by `http` whenever they connect and before each delivery, so that a receiver that moves is followed:
a connection to an address that is no longer among the answers is given up like one that broke, and what was not
acknowledged on it is sent again. `discovery` has endpoints of its own kind; both are handed out by `node.receivers`.
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
    """The present whereabouts of one receiver."""

    def addresses(self) -> tuple[Address, ...]:
        """Where it may be reached now, the preferred first; DeliveryError (`undiscovered`) where nobody knows."""


class FixedEndpoint(msgspec.Struct, frozen=True):
    """Stands in the settings."""

    host: str
    port: int

    def addresses(self) -> tuple[Address, ...]:
        """See `Endpoint`."""
        return ((self.host, self.port),)
