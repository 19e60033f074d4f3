"""From daily figures to where they are going, in words: pure. Fed by the page with what usage and nodes told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from slurmlens.config.management import ManagementConfig
from slurmlens.hub.inventory.entities import FactValue, HeldFact
from slurmlens.hub.node_states.file_systems import FileSystemDay
from slurmlens.hub.usage.capacity import LEAST_DAYS, Forecast, forecast
from slurmlens.hub.usage.facts import DayFigure
from slurmlens.hub.usage.generations import TypedRun, TypeOnGenerations, compared, generations
from slurmlens.hub.views.capacity.view import CapacityFigure, CapacityView
from slurmlens.shown import format as fmt

DAY_S = 86_400
CERTAIN = 0.5
FULL = 0.9
"""A file system is full for capacity's sake while it still works."""
GONE_S = 3 * DAY_S
MOST_FILE_SYSTEMS = 12


def build_capacity_view(
    cluster: str,
    utilisation: Sequence[DayFigure],
    waits: Sequence[DayFigure],
    settings: ManagementConfig,
    now_s: int,
    mounts: Sequence[FileSystemDay] = (),
) -> CapacityView:
    """The view of all figures; `mounts` are days of file systems, in their order."""
    begun = next((place for place, day in enumerate(utilisation) if day.value), 0)  # before that nobody told of jobs
    figures = (
        _figure("cores allocated, of those in service", "share", utilisation[begun:], settings.full_share, 1.0),
        _figure("mean wait of runs", "s", waits, settings.wait_p95_goal_s, None),
    )
    return CapacityView(cluster=cluster, made_s=now_s, figures=(*figures, *_file_systems(mounts, now_s)))


def build_generations(
    runs: Sequence[TypedRun], features: Sequence[HeldFact], settings: ManagementConfig
) -> tuple[TypeOnGenerations, ...]:
    """How kinds of jobs fared on generations of nodes, by the features that nodes have now."""
    told = {one.entity.name: _names(one.value) for one in features}
    return tuple(compared(runs, generations(told, settings.generation_features)))


def _names(value: FactValue) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else tuple(part for part in str(value).split(",") if part)


def _file_systems(days: Sequence[FileSystemDay], now_s: int) -> Iterator[CapacityFigure]:
    """Shared ones first, the largest first; those that nobody told of lately are gone."""
    by_mount: dict[str, list[FileSystemDay]] = {}
    for day in days:
        by_mount.setdefault(day.mount, []).append(day)
    told = [own for own in by_mount.values() if own[-1].day_s >= now_s - GONE_S]
    told.sort(key=lambda own: (not own[-1].is_shared, -own[-1].size_bytes, own[-1].mount))
    for own in told[:MOST_FILE_SYSTEMS]:
        last = own[-1]
        full = _figure(
            f"{last.mount}: in use", "share", [DayFigure(day.day_s, day.used_ratio) for day in own], FULL, 1.0
        )
        where = "on all nodes" if last.is_shared else f"on {last.node}, where it is fullest"
        of = f"{fmt.percent(last.used_ratio)} of {fmt.memory(last.size_bytes)} {where}. {full.sentence}"
        yield msgspec.structs.replace(full, sentence=of, mount=last.mount, size_bytes=last.size_bytes)


def _figure(name: str, unit: str, days: Sequence[DayFigure], threshold: float, most: float | None) -> CapacityFigure:
    found = forecast([day.value for day in days], threshold, most)
    last_s = days[-1].day_s if days else 0
    return CapacityFigure(
        name=name, unit=unit, days=tuple(days), forecast=found, sentence=_sentence(found, len(days), unit, last_s)
    )


def _sentence(found: Forecast | None, days: int, unit: str, last_s: int) -> str:
    if found is None:
        return f"{days} days are too few for a forecast: it takes {LEAST_DAYS}."
    threshold = said(found.threshold, unit)
    if found.reached_days == 0:
        return f"It is at {threshold} already."
    if found.reached_days is None or found.is_within < CERTAIN:
        likely = fmt.percent(found.is_within)
        return f"It does not reach {threshold} within two years, as it goes now ({likely} likely to)."
    ends = [_date(last_s, days) for days in (found.reached_low_days, found.reached_high_days)]
    later = "later than in two years" if ends[1] is None else ends[1]
    return (
        f"It reaches {threshold} about {_date(last_s, found.reached_days)}; with 80 % certainty {ends[0]} to {later}."
    )


def _date(last_s: int, days: float | None) -> str | None:
    return None if days is None else datetime.fromtimestamp(last_s + days * DAY_S, UTC).strftime("%Y-%m-%d")


def said(value: float, unit: str) -> str:
    """A figure in words."""
    return fmt.percent(value) if unit == "share" else fmt.duration(value)
