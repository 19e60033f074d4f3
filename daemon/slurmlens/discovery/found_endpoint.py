"""An endpoint whose addresses change while the program runs: the instances of one service, as Consul tells them.

Sans-IO: told instances by a `watch`, asked for addresses by sinks (`runtime.endpoint.Endpoint`). Invariants: once
addresses are known they are only ever replaced by others: a service without a usable instance stays where it was, for a
receiver that Consul thinks ill may still take something, and nobody else would. With none known yet, the settings'.
Every program has its own stable order of equal instances, so that many programs spread over them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from slurmlens.discovery.answers import Instance
from slurmlens.runtime.endpoint import Address, text_of


class FoundEndpoint:
    """Where one receiver is. `fixed` stands in the settings; `asked_by` names the program that asks."""

    def __init__(self, fixed: Address, asked_by: str, known: Iterable[Address] = ()) -> None:
        self._fixed = fixed
        self._asked_by = asked_by
        self._known = tuple(known)
        self.is_fresh = False
        """Whether Consul has told an address since the program started."""

    def addresses(self) -> tuple[Address, ...]:
        """See `runtime.endpoint.Endpoint`; never empty."""
        return self._known or (self._fixed,)

    @property
    def known(self) -> tuple[Address, ...]:
        """What Consul told last, now or to an earlier program; empty where it never told any."""
        return self._known

    def told(self, instances: Iterable[Instance]) -> bool:
        """Take the present instances; whether the addresses are others now. Those that warn come last."""
        ordered = sorted(instances, key=lambda one: (not one.is_passing, self._rank(one)))
        found = tuple(dict.fromkeys(self._address(one) for one in ordered))
        if not found:
            return False
        self.is_fresh = True
        changed = found != self._known
        self._known = found
        return changed

    def _address(self, instance: Instance) -> Address:
        """A service that was registered without a port has the one of the settings."""
        return instance.host, instance.port or self._fixed[1]

    def _rank(self, instance: Instance) -> bytes:
        """Rendezvous hashing: an instance that comes or goes moves only those who choose it."""
        text = f"{self._asked_by} {text_of(self._address(instance))}"
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
