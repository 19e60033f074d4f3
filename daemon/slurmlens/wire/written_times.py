"""Times as text, to nanoseconds since the epoch: pure.

Owns the conversion, exact to the microsecond (a float of seconds is not). Used for documents of log lines, for what
Slurm's daemons write before theirs, and for addresses that name a moment.
"""

from __future__ import annotations

from datetime import datetime, tzinfo

from slurmlens.clock import NS_PER_S

_LATEST_NS = 2**63 - 1
"""Databases hold nanoseconds in 63 bits: a later moment could be neither kept nor looked for."""


def written_ns(text: str, zone: tzinfo) -> int | None:
    """The moment in ISO 8601, in `zone` where it names none; None for what is no moment, or none of 1970 to 2262."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return nanoseconds_of(moment, zone)


def nanoseconds_of(moment: datetime, zone: tzinfo) -> int | None:
    """A moment, in `zone` where it has none; the hour that a change of clocks repeats is taken for its first pass.

    None before 1970 and after April 2262.
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        seconds = int(moment.replace(microsecond=0).timestamp())
    except (OverflowError, ValueError):
        return None
    time_ns = seconds * NS_PER_S + moment.microsecond * 1000
    return time_ns if 0 <= time_ns <= _LATEST_NS else None
