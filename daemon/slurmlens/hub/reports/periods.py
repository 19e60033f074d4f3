"""Days, weeks, months and years in a zone, with their true lengths: pure.

Owns how an address names a period (`2026-11-30`, `2026-W48`, `2026-11`, `2026`) and where it begins and ends. A day
begins at the zone's midnight, so that one of 23 or 25 hours is as long as it was; a week begins on Monday (ISO 8601).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.hub.usage.facts import UsageWindow

HOUR_S = 3_600
MOST_DAYS = 400


class PeriodKind(enum.Enum):
    """How long a report's period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    WINDOW = "window"


class ReportPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A period of a report and the pieces that it is shown in, which meet and fill it; `label` names it."""

    kind: PeriodKind
    label: str
    window: UsageWindow
    pieces: tuple[UsageWindow, ...]


_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_YEAR = re.compile(r"(\d{4})")


def period_of(kind: PeriodKind, text: str | None, now_s: int, zone: tzinfo) -> ReportPeriod:
    """The period that `text` names, the one that holds `now_s` where it names none; DecodeError where it cannot be."""
    try:
        day = _day_in(kind, text) if text else datetime.fromtimestamp(now_s, zone).date()
        return _MAKERS[kind](day, zone)
    except (ValueError, OverflowError, KeyError) as error:
        raise DecodeError(f"{(text or '')[:40]!r} is no {kind.value}: write {_EXAMPLES.get(kind, '')}") from error


def window_period(window: UsageWindow, zone: tzinfo) -> ReportPeriod:
    """Any window, in days of the zone."""
    borders = [window.from_s]
    day = datetime.fromtimestamp(window.from_s, zone).date()
    for _ in range(MOST_DAYS + 1):
        day += timedelta(days=1)
        midnight_s = _midnight_s(day, zone)
        if midnight_s >= window.to_s:
            break
        borders.append(midnight_s)
    label = f"{_written(window.from_s)}--{_written(window.to_s)}"
    return ReportPeriod(kind=PeriodKind.WINDOW, label=label, window=window, pieces=_pieces([*borders, window.to_s]))


def _written(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y%m%dT%H%M%SZ")


def _day_in(kind: PeriodKind, text: str) -> date:
    """Any day of the period that is named; a day's own name is good for all kinds."""
    if kind is PeriodKind.WEEK and (week := _WEEK.fullmatch(text)):
        return date.fromisocalendar(int(week[1]), int(week[2]), 1)
    if kind is PeriodKind.MONTH and (month := _MONTH.fullmatch(text)):
        return date(int(month[1]), int(month[2]), 1)
    if kind is PeriodKind.YEAR and (year := _YEAR.fullmatch(text)):
        return date(int(year[1]), 1, 1)
    return date.fromisoformat(text)


def _day(day: date, zone: tzinfo) -> ReportPeriod:
    begin_s, end_s = _midnight_s(day, zone), _midnight_s(day + timedelta(days=1), zone)
    borders = [*range(begin_s, end_s, HOUR_S), end_s]
    return _period(PeriodKind.DAY, day.isoformat(), borders)


def _week(day: date, zone: tzinfo) -> ReportPeriod:
    year, number, weekday = day.isocalendar()
    monday = day - timedelta(days=weekday - 1)
    borders = [_midnight_s(monday + timedelta(days=count), zone) for count in range(8)]
    return _period(PeriodKind.WEEK, f"{year:04}-W{number:02}", borders)


def _month(day: date, zone: tzinfo) -> ReportPeriod:
    first, following = day.replace(day=1), _next_month(day)
    days = (following - first).days
    borders = [_midnight_s(first + timedelta(days=count), zone) for count in range(days + 1)]
    return _period(PeriodKind.MONTH, f"{day.year:04}-{day.month:02}", borders)


def _year(day: date, zone: tzinfo) -> ReportPeriod:
    firsts = [date(day.year, month, 1) for month in range(1, 13)] + [date(day.year + 1, 1, 1)]
    return _period(PeriodKind.YEAR, f"{day.year:04}", [_midnight_s(first, zone) for first in firsts])


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _midnight_s(day: date, zone: tzinfo) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def _period(kind: PeriodKind, label: str, borders: list[int]) -> ReportPeriod:
    return ReportPeriod(kind=kind, label=label, window=UsageWindow(borders[0], borders[-1]), pieces=_pieces(borders))


def _pieces(borders: list[int]) -> tuple[UsageWindow, ...]:
    return tuple(UsageWindow(begin, end) for begin, end in pairwise(borders))


_MAKERS: dict[PeriodKind, Callable[[date, tzinfo], ReportPeriod]] = {
    PeriodKind.DAY: _day,
    PeriodKind.WEEK: _week,
    PeriodKind.MONTH: _month,
    PeriodKind.YEAR: _year,
}
_EXAMPLES = {
    PeriodKind.DAY: "2026-11-30",
    PeriodKind.WEEK: "2026-W48 or any day of it",
    PeriodKind.MONTH: "2026-11",
    PeriodKind.YEAR: "2026",
}
