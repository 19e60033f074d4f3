"""From facts of usage to a report: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from slurmlens.hub.usage.charges import HOUR_S, UsageKey, UsageSums, summed
from slurmlens.hub.usage.facts import JobTypeUse, UsageBacklog, UsageFacts, UsageWindow, WaitCount
from slurmlens.hub.views.report.view import ReportPiece, ReportView
from slurmlens.hub.views.usage.build import usage_table
from slurmlens.shown import format as fmt

TABLES = ("account", "user", "partition", "qos")


class ReportFacts(NamedTuple):
    """What a report is made of: each piece with who used what in it, and of the whole period waits and job types.

    `waits_by` says what the waits are of; the table of that has them.
    """

    pieces: Sequence[tuple[UsageWindow, UsageFacts]]
    waits_by: str
    waits: Sequence[WaitCount]
    job_types: Sequence[JobTypeUse]


class ReportFrame(NamedTuple):
    """What a report is about."""

    cluster: str
    period: str
    label: str
    zone_name: str
    zone: tzinfo
    window: UsageWindow
    of_kind: str | None
    of_name: str | None
    as_of_s: int


def build_report(frame: ReportFrame, facts: ReportFacts) -> ReportView:
    """The report; its pieces and its tables are sums of the same parts."""
    by_key: dict[UsageKey, UsageSums] = {}
    pieces = []
    for window, own in facts.pieces:
        for key, sums in own.by_key.items():
            by_key[key] = by_key.get(key, UsageSums()) + sums
        total = summed(own.by_key.values())
        pieces.append(ReportPiece(window.from_s, window.to_s, _piece_label(window, frame.zone), total))
    whole = UsageFacts(window=frame.window, by_key=by_key)
    order = (facts.waits_by, *(one for one in TABLES if one != facts.waits_by))
    tables = tuple(
        usage_table(whole, by, facts.waits if by == facts.waits_by else ()) for by in order if by != frame.of_kind
    )
    return ReportView(
        cluster=frame.cluster,
        period=frame.period,
        label=frame.label,
        zone=frame.zone_name,
        from_s=frame.window.from_s,
        to_s=frame.window.to_s,
        as_of_s=frame.as_of_s,
        is_complete=frame.as_of_s >= frame.window.to_s,
        of_kind=frame.of_kind,
        of_name=frame.of_name,
        sentence=_sentence(tables[0].whole.sums, tables[0].whole.failed, frame.window),
        pieces=tuple(pieces),
        tables=tables,
        job_types=tuple(facts.job_types),
        backlog=facts.pieces[0][1].backlog if facts.pieces else UsageBacklog(),
    )


def _piece_label(window: UsageWindow, zone: tzinfo) -> str:
    begin = datetime.fromtimestamp(window.from_s, zone)
    lasts = window.to_s - window.from_s
    if lasts <= HOUR_S:
        return begin.strftime("%H:%M %z")
    return begin.strftime("%Y-%m-%d" if lasts <= 26 * HOUR_S else "%Y-%m")


def _sentence(sums: UsageSums, failed: int, window: UsageWindow) -> str:
    if not (sums.core_s or sums.node_s or sums.started):
        return "Nothing was used in this period, as far as the hub knows."
    cores = fmt.grouped(sums.core_s / HOUR_S)
    mean = sums.core_s / max(1, window.to_s - window.from_s)
    steady = f", as if {fmt.cores(round(mean))} had run all the time" if round(mean) else ""
    told = f"{cores} core-hours in {fmt.count(sums.started, 'run')}{steady}"
    share = f"; {fmt.percent(failed / sums.ended)} of those that ended failed" if sums.ended else ""
    return f"{told}{share}."
