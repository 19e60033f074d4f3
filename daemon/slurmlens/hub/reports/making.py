"""Makes the model of a report: asks usage for each piece of a period, for whoever may see it.

Owns `ReportOrder` (what a report shall be about) and how an order is read from text. Fed by pages and by mail; feeds
`forms`.
"""

from __future__ import annotations

import msgspec

from slurmlens.config.management import ManagementConfig
from slurmlens.errors import DecodeError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.reports.periods import PeriodKind, ReportPeriod, period_of
from slurmlens.hub.usage.charges import job_type
from slurmlens.hub.usage.facts import UsageFilter
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.views.report.build import ReportFacts, ReportFrame, build_report
from slurmlens.hub.views.report.view import ReportView
from slurmlens.runtime.beside import beside

KINDS_OF = {"account": "account", "user": "user", "partition": "partition", "qos": "qos", "type": "job_type"}
"""How an order names whose usage it is, and the field of `UsageFilter` that says it."""
NAME_LENGTH = 200


class ReportOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a report is about: a period, and whose usage (`of_kind` and `of_name`, both or neither)."""

    period: ReportPeriod
    of_kind: str | None = None
    of_name: str | None = None


def order_of(period: str, at: str | None, of: str | None, now_s: int, settings: ManagementConfig) -> ReportOrder:
    """An order as text names it (`month`, `2026-11`, `account:physics`); DecodeError says what cannot be used."""
    try:
        kind = PeriodKind(period)
    except ValueError as error:
        known = ", ".join(one.value for one in PeriodKind if one is not PeriodKind.WINDOW)
        raise DecodeError(f"{period[:40]!r} is no period: one of {known}") from error
    of_kind, of_name = whose(of)
    return ReportOrder(period=period_of(kind, at, now_s, settings.zone), of_kind=of_kind, of_name=of_name)


def whose(of: str | None) -> tuple[str | None, str | None]:
    """`account:physics` as kind and name; nothing for nothing; DecodeError where it is none."""
    if not of:
        return None, None
    kind, colon, name = of.partition(":")
    if kind not in KINDS_OF or not colon or not name or len(name) > NAME_LENGTH:
        raise DecodeError(f"{of[:40]!r} names nobody: write {', '.join(one + ':NAME' for one in KINDS_OF)}")
    return kind, job_type(name) if kind == "type" else name


class ReportMaker:
    """Makes reports of one cluster."""

    def __init__(self, usage: UsageQueries, cluster: str, settings: ManagementConfig) -> None:
        self._usage = usage
        self._cluster = cluster
        self._settings = settings

    async def report(self, viewer: Viewer, order: ReportOrder, now_s: int) -> ReportView:
        """The report as of now, over what the viewer may see."""
        which = UsageFilter(**{KINDS_OF[order.of_kind]: order.of_name}) if order.of_kind else UsageFilter()
        waits_by = "user" if order.of_kind == "account" else "account"
        window, usage = order.period.window, self._usage
        facts = ReportFacts(
            pieces=await usage.usage_of_pieces(viewer, order.period.pieces, now_s, which),
            waits_by=waits_by,
            waits=(await usage.waits(viewer, window, (waits_by,), which))[waits_by],
            job_types=await usage.job_types(viewer, window, which),
        )
        frame = ReportFrame(
            cluster=self._cluster,
            period=order.period.kind.value,
            label=order.period.label,
            zone_name=self._settings.time_zone,
            zone=self._settings.zone,
            window=window,
            of_kind=order.of_kind,
            of_name=order.of_name,
            as_of_s=now_s,
        )
        return await beside(lambda: build_report(frame, facts))
