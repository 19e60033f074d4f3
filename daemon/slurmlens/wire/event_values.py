"""What an event's values must be to make sense, beside their types; pure.

Asked by whoever takes events (the hub's ingest and the relay's), before they are kept: one senseless value would spoil
every figure that it meets.
"""

from __future__ import annotations

import math

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError
from slurmlens.events import AnyEvent, JobProfile, JobStart, JobSummary, Profile, Totals

EARLIEST_NS = 946_684_800 * NS_PER_S
LATEST_NS = 4_102_444_800 * NS_PER_S
MAX_BINS = 20_000
MAX_STEPS = 20_000
MAX_SLOT = 1_000_000
MAX_COUNT = 2**53
"""Counts are added up over nodes; beyond this no sum would fit a column or be exact in JavaScript."""


def check_values(event: AnyEvent) -> None:
    """Refuses values that are well typed and make no sense: they would spoil every figure they meet."""
    times = [event.time_ns]
    profile: Profile | None = None
    if isinstance(event, JobStart | JobSummary) and not 0 <= (event.slot or 0) <= MAX_SLOT:
        raise DecodeError(f"slot {event.slot}", reason="value")
    if isinstance(event, JobSummary):
        times += [event.start_ns, event.end_ns]
        profile = event.profile
        _check_totals(event.totals)
    elif isinstance(event, JobProfile):
        profile = event.profile
    if profile is not None:
        times.append(profile.start_ns)
        _check_profile(profile)
    if not all(EARLIEST_NS <= time_ns <= LATEST_NS for time_ns in times):
        raise DecodeError("a time before the year 2000 or after 2100: set the node's clock", reason="value")


def _check_totals(totals: Totals) -> None:
    if len(totals.steps) > MAX_STEPS:
        raise DecodeError(f"{len(totals.steps)} steps, at most {MAX_STEPS} are taken", reason="value")
    for part in (totals, *totals.steps):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if isinstance(value, int) and not 0 <= value <= MAX_COUNT:
                raise DecodeError(f"{name} is {value}", reason="value")


def _check_profile(profile: Profile) -> None:
    lengths = {len(column) for column in profile.columns.values()}
    if len(lengths) > 1 or max(lengths, default=0) > MAX_BINS:
        raise DecodeError(f"a profile whose columns have {sorted(lengths)[:5]} bins", reason="value")
    if not (math.isfinite(profile.width_s) and 0.001 <= profile.width_s <= 1e7):
        raise DecodeError(f"a profile whose bins are {profile.width_s} s wide", reason="value")
