"""The order in which people count: n2 before n10. Pure."""

from __future__ import annotations

import re

_PARTS = re.compile(r"[0-9]+|[^0-9]+")


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """What to sort a name by: its digits count as numbers, the rest letter by letter.

    >>> sorted(["n10", "n2", "m3", "n2b"], key=natural)
    ['m3', 'n2', 'n2b', 'n10']
    """
    return tuple(
        (0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in _PARTS.findall(f"{name}\0")
    )
