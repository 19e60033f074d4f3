"""The order in which people count: n2 before n10. Pure."""

from __future__ import annotations


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """What to sort a name by: its digits count as numbers, the rest letter by letter."""
    parts, digits = [], ""
    for character in f"{name}\0":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, character))
    return tuple(parts)
