"""Amounts as Slurm writes them in text: "cpu=4,mem=1200M,node=2", "4000M", "42:0", "1-02:03:04".

Pure. Shared by the readers of JSON (which carries such strings inside) and of text. None is: not told.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

MIB = 1024 * 1024

_SUFFIX_BYTES = {"": 1024**2, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5}
_MEMORY = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)([KMGTP]?)[nc]?")
_EXIT = re.compile(r"(\d{1,9})(?::(\d{1,9}))?")
_DURATION = re.compile(r"(?:(\d{1,6})-)?(?:(\d{1,9}):)?(\d{1,9}):(\d{1,2})(?:\.\d{1,9})?")


_YEAR_MINUTES = 365 * 24 * 60
"""What slurmctld puts in place of "unlimited" where the partition has no limit either (its YEAR_MINUTES)."""


def limit_s(minutes: int | None) -> int | None:
    """A time limit in seconds; None where there is none."""
    return None if minutes is None or minutes == _YEAR_MINUTES else minutes * 60


def memory_bytes(text: str) -> int | None:
    """Bytes of "4000M", "1.50G" or "4000" (Slurm's unit is MiB); a trailing n or c of old releases is ignored."""
    match = _MEMORY.fullmatch(text.strip())
    return round(float(match[1]) * _SUFFIX_BYTES[match[2]]) if match else None


def tres_amounts(text: str | None) -> dict[str, int]:
    """Resources by name; memory in bytes. Parts that are no amount are left out."""
    amounts: dict[str, int] = {}
    for part in (text or "").split(","):
        name, equals, value = part.partition("=")
        if not equals:
            continue
        amount = memory_bytes(value) if name == "mem" else int(value) if value.isascii() and value.isdecimal() else None
        if amount is not None and len(value) <= 18:
            amounts[name.strip()] = amount
    return amounts


def exit_pair(text: str | None) -> tuple[int | None, int | None]:
    """(exit code, signal) of "42:0"."""
    match = _EXIT.fullmatch((text or "").strip())
    return (int(match[1]), int(match[2] or 0)) if match else (None, None)


def duration_s(text: str | None) -> int | None:
    """Seconds of "[days-][hours:]minutes:seconds"."""
    match = _DURATION.fullmatch((text or "").strip())
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def utc_s(text: str | None) -> int | None:
    """Seconds since the epoch of "2026-01-02T15:02:11", as a command of Slurm's writes it that runs in UTC."""
    try:
        return int(datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())
    except ValueError:  # Unknown, None, a format of the site's own
        return None
