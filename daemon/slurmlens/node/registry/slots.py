"""Which running job may use which of the node's places in carbon's tree.

A series per job would grow without bound; instead running jobs take turns in a fixed number of slots. The least
recently used goes first, and only after a rest of one sampling interval: otherwise the roll-ups of two jobs would
smear into one. Who finds none free is counted in the sum of the rest.
"""

from __future__ import annotations


class SlotTable:
    """Slots 0 to `count`-1. Invariant: a slot is either free or has exactly one holder."""

    def __init__(self, count: int, rest_ns: int) -> None:
        self.rest_ns = rest_ns
        self._free: dict[int, int | None] = dict.fromkeys(range(count))
        self._holders: dict[int, int] = {}

    def take(self, holder: int, boottime_ns: int) -> int | None:
        """Give `holder` the slot that has been free for longest, or None where none has rested enough."""
        for slot, freed_ns in self._free.items():
            if freed_ns is None or boottime_ns - freed_ns >= self.rest_ns:
                del self._free[slot]
                self._holders[slot] = holder
                return slot
        return None

    def hold(self, slot: int | None, holder: int) -> int | None:
        """`holder` had this slot before a restart; None where it cannot have it again."""
        if slot not in self._free:
            return None
        del self._free[slot]
        self._holders[slot] = holder
        return slot

    def give_back(self, slot: int | None, boottime_ns: int) -> None:
        """The holder is done; None (it was among the rest) is nothing to give back."""
        if slot is not None:
            del self._holders[slot]
            self._free[slot] = boottime_ns

    def holders(self) -> dict[int, int]:
        """Who holds which slot now."""
        return dict(self._holders)
