"""How many files and connections this process may have open: as many as its limit can be raised to."""

from __future__ import annotations

import resource


def raise_descriptor_limit() -> int:
    """Raises the soft limit to the hard one and returns it; the unit's `LimitNOFILE` decides what that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return int(soft)
