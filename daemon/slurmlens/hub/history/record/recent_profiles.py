"""Profiles of requests that were stored a moment ago, as they were read when they came.

Owns what is kept in memory until it is packed, at most `MOST_BYTES` of it: whoever packs need not unpack and read the
bodies of these requests a second time (a third of what packing costs). What found no room, or came before the hub was
started, is read from its body; so nothing depends on what is here. Filled by `storing` in the writer's thread, emptied
by `packing` in a reader's, each by single operations on a dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.wire.received import ReceivedLine, ReceivedProfile, ReceivedSummary, has_profile

MOST_BYTES = 32 * 1024 * 1024
"""Of columns as they came. When it is full the new ones stay out: the oldest are packed next."""

ProfileEvent = ReceivedProfile | ReceivedSummary
ProfileLines = Sequence[tuple[int, ProfileEvent]]
"""Lines of a body, from 1, whose event has a profile."""


class RecentProfiles:
    """By batch, the lines with a profile."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lines: dict[int, tuple[int, ProfileLines]] = {}
        self._kept_bytes = 0  # ever; changed by the writer's thread alone
        self._forgotten_bytes = 0  # ever; changed by the packer's thread alone

    def keep(self, batch: int, lines: Sequence[ReceivedLine]) -> None:
        """Keeps a batch's lines with a profile, where there is room for all of them."""
        own = [(number, event) for number, event in lines if has_profile(event)]
        size = sum(len(event.profile.columns) for _, event in own if event.profile)
        if self._kept_bytes - self._forgotten_bytes + size <= self._most_bytes:
            self._lines[batch] = size, own
            self._kept_bytes += size

    def of(self, batch: int) -> ProfileLines | None:
        """The lines of a batch; None where they are not here."""
        _, lines = self._lines.get(batch, (0, None))
        return lines

    def forget(self, last_batch: int) -> None:
        """Nobody will ask for this batch and those before it any more; some of them may never have been committed."""
        for batch in list(self._lines):
            if batch <= last_batch:
                size, _ = self._lines.pop(batch)
                self._forgotten_bytes += size
