"""Reads the parts of an address: numbers, job ids as squeue shows them, filters. Anything else is refused, with a
remedy.

Owns the reading of every part of an address that is not a name. Invariant: what is checked is what is used, so one
number has one spelling (no leading zeros) and no other job is ever shown than the one that was named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError, PageError
from slurmlens.hub.history.facts import JobFilter, ListPlace, StateFilter
from slurmlens.slurm.job_ids import JobReference, parse_job_reference
from slurmlens.slurm.records import JobState
from slurmlens.wire.written_times import written_ns

MOST_ROWS = 1000
MOST_RUNS = 10**6
MOST_SECONDS = 9_214_646_399
"""The last second of 2261: nanoseconds since the epoch, which databases hold in 63 bits, end in April of the year
after."""
JOB_SEGMENT = r"[^/.]{1,40}"
"""A job's part of an address; what it means is decided by `job_reference`, which names what is wrong with a slip."""

FILTERS = ("state", "user", "partition", "account", "node", "limit")
_PLACE_MOST = (9, 2**63 - 1, 2**63 - 1)
"""Of a place in a list: its section, its time, its run's number."""
_SHOWN_CHARACTERS = 40
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LEADING_ZERO = re.compile(r"(?:^|[_+])0[0-9]")


def number_in(text: str, least: int, most: int) -> int | None:
    """The number that `text` spells in the one way there is, within these bounds; else None."""
    if not _NUMBER.fullmatch(text):
        return None
    value = int(text)
    return value if least <= value <= most else None


def moment_in(request: web.Request, key: str, otherwise_ns: int) -> int:
    """The moment that `key` of an address names, in nanoseconds since the epoch; PageError 400 where it is none.

    Whole seconds since the epoch, or RFC 3339 with its zone: `2026-11-23T10:14:00Z`; from 1970 to 2261.
    """
    text = request.query.get(key)
    if not text:
        return otherwise_ns
    seconds = number_in(text, 0, MOST_SECONDS)
    if seconds is not None:
        return seconds * NS_PER_S
    try:
        told = datetime.fromisoformat(text.replace(" ", "+"))  # a plus that was sent as it is came as a blank
        if told.tzinfo is not None and 0 <= told.timestamp() <= MOST_SECONDS:
            return round(told.timestamp() * NS_PER_S)
    except (ValueError, OverflowError):
        pass
    message = f"{key}={text[:_SHOWN_CHARACTERS]!r} is no moment"
    advice = "Seconds since the epoch, or as 2026-11-23T10:14:00Z, with its zone; from 1970 to 2261."
    raise PageError(400, "bad-moment", message, advice)


def moment_of(key: str, text: str, now_ns: int) -> int:
    """`15m`, `6h`, `2d` before now, or a time in ISO 8601 (UTC where it names no zone)."""
    number, unit = text[:-1], text[-1:]
    if unit in _UNITS_S and number_in(number, 0, 10**9) is not None:
        return max(0, now_ns - int(number) * _UNITS_S[unit] * NS_PER_S)
    found = written_ns(text, UTC)
    if found is None or not 0 <= found <= MOST_SECONDS * NS_PER_S:
        raise unusable(key, text, "15m, 6h, 2d, or a time such as 2026-11-30T04:00:00Z.")
    return found


def unusable(key: str, text: str, advice: str) -> PageError:
    """The refusal of a filter that cannot be used."""
    return PageError(400, "bad-filter", f"{key}={text[:_SHOWN_CHARACTERS]!r} cannot be used", advice)


def seconds_in(request: web.Request, key: str, most: int, otherwise: int) -> int:
    """The seconds that `key` of an address names; PageError 400 where they cannot be used."""
    text = request.query.get(key)
    if not text:
        return otherwise
    seconds = number_in(text, 0, most)
    if seconds is None:
        message = f"{key}={text[:_SHOWN_CHARACTERS]!r} cannot be used"
        raise PageError(400, "bad-seconds", message, f"Whole seconds from 0 to {most}.")
    return seconds


def depth_in(request: web.Request, most: int, otherwise: int) -> int:
    """The `depth` that an address names; PageError 400 where it cannot be used."""
    text = request.query.get("depth")
    if not text:
        return otherwise
    depth = number_in(text, 0, most)
    if depth is None:
        message = f"depth={text[:_SHOWN_CHARACTERS]!r} cannot be used"
        raise PageError(400, "bad-depth", message, f"A number from 0 to {most}.")
    return depth


def job_reference(text: str) -> JobReference:
    """A job id as people type it and squeue prints it; PageError 404 for what is none."""
    text = text.strip()
    if not _LEADING_ZERO.search(text):
        try:
            return parse_job_reference(text)
        except DecodeError:
            pass
    raise PageError(
        404,
        "no-such-job",
        f"{text[:_SHOWN_CHARACTERS]!r} is no job id",
        "Job ids are as squeue shows them: 4711, a task of an array 4700_11, a part of a heterogeneous job 4711+1.",
    )


def job_and_run(request: web.Request) -> tuple[JobReference, int | None]:
    """Which run an address names; no run is the latest."""
    reference = job_reference(request.match_info["job_id"])
    run_text = request.match_info.get("run")
    if run_text is None:
        return reference, None
    run = number_in(run_text, 1, MOST_RUNS)
    if run is None:
        message = f"{run_text[:_SHOWN_CHARACTERS]!r} is no run of a job"
        raise PageError(404, "no-such-job", message, "Runs are counted from 1.")
    return reference, run


def filters_of(request: web.Request) -> dict[str, str]:
    """The filters that an address names, those of its path included."""
    asked = {key: request.query[key] for key in FILTERS if request.query.get(key)}
    return asked | {key: request.match_info[key] for key in FILTERS if key in request.match_info}


def job_filter(filters: Mapping[str, str], after: str | None = None) -> JobFilter:
    """The filters as history takes them, and where the list goes on; PageError 400 names what cannot be used."""
    return JobFilter(
        state=_state(filters.get("state")),
        user=filters.get("user"),
        account=filters.get("account"),
        partition=filters.get("partition"),
        node=filters.get("node"),
        limit=_limit(filters.get("limit")),
        after=_place(after),
    )


def _state(text: str | None) -> StateFilter | JobState | None:
    if text is None:
        return None
    known: dict[str, StateFilter | JobState] = {state.value.lower(): state for state in JobState}
    known.update({group.value: group for group in StateFilter})
    found = known.get(text.lower())
    if found is None:
        message = f"state={text[:_SHOWN_CHARACTERS]!r} is no state"
        raise PageError(400, "bad-filter", message, f"One of: {', '.join(sorted(known))}.")
    return found


def _limit(text: str | None) -> int:
    if text is None:
        return JobFilter().limit
    found = number_in(text, 1, MOST_ROWS)
    if found is None:
        message = f"limit={text[:_SHOWN_CHARACTERS]!r} cannot be used"
        raise PageError(400, "bad-filter", message, f"A number from 1 to {MOST_ROWS}.")
    return found


def _place(text: str | None) -> ListPlace | None:
    if not text:
        return None
    parts = text.split(".")
    numbers = [number_in(part, 0, most) for part, most in zip(parts, _PLACE_MOST, strict=False)]
    if len(parts) != len(_PLACE_MOST) or None in numbers:
        message = f"after={text[:_SHOWN_CHARACTERS]!r} is no place in a list"
        raise PageError(400, "bad-filter", message, "Take it from the list's own `next`, or leave it out.")
    return ListPlace(*(number for number in numbers if number is not None))
