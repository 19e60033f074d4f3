"""The value shapes of Slurm's JSON, read by shape instead of by release.

Owns the knowledge that 22.05 writes plain numbers and strings where 24.11 and later write `{set, infinite, number}` and
lists of flags; pure. Every function takes whatever stands there and answers None for what is not set, infinite, one of
Slurm's "no value" numbers, or of a shape never seen: a field that drifts becomes unavailable and spoils nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurmlens.slurm.amounts import limit_s

_NO_VALUES = frozenset({0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF})
"""NO_VAL, INFINITE and their 64 bit brothers (slurm.h). The 16 bit ones are left out: 65534 is user nobody."""

MIB = 1024 * 1024


def number(value: Any) -> int | None:
    """A whole number, wrapped or plain."""
    if isinstance(value, Mapping):
        if value.get("infinite") is True or value.get("set") is False:
            return None
        value = value.get("number")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        whole = int(value)
    except (ValueError, OverflowError):
        return None
    return None if whole in _NO_VALUES or whole < 0 else whole


def positive(value: Any) -> int | None:
    """A number where 0 means not set: times, ids of arrays and hetjobs."""
    return number(value) or None


def text(value: Any) -> str | None:
    """A string; None where it is empty or something else."""
    return value if isinstance(value, str) and value else None


def words(value: Any) -> tuple[str, ...]:
    """Flags: a list of strings, or one string."""
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list):
        return tuple(word for word in value if isinstance(word, str))
    return ()


def table(value: Any) -> Mapping[str, Any]:
    """An object; an empty one where there is none."""
    return value if isinstance(value, Mapping) else {}


def objects(value: Any) -> tuple[Mapping[str, Any], ...]:
    """The objects of a list; whatever else stands in it is left out."""
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()


def exit_status(value: Any) -> tuple[int | None, int | None]:
    """(exit code, signal): from a wait status (22.05's squeue) or from an object with `return_code` and `signal`."""
    if not isinstance(value, Mapping):
        status = number(value)
        return (None, None) if status is None else (status >> 8 & 0xFF, status & 0x7F)
    if "PENDING" in words(value.get("status")):
        return None, None
    signal = table(value.get("signal"))
    return number(value.get("return_code")), number(signal.get("id", signal.get("signal_id"))) or 0


def minutes(value: Any) -> int | None:
    """A time limit in minutes, as seconds; None where there is none."""
    return limit_s(positive(value))


def tres(value: Any) -> dict[str, int]:
    """Trackable resources from accounting's list of {type, name, count}; memory in bytes."""
    amounts: dict[str, int] = {}
    for item in objects(value):
        kind, name, count = text(item.get("type")), text(item.get("name")), number(item.get("count"))
        if kind and count is not None:
            amounts[f"{kind}/{name}" if name else kind] = count * MIB if kind == "mem" else count
    return amounts
