"""The stage that queues reports whose period is over, as the settings say.

Owns its loop. A report's id is made of what it is about and for whom, so that a hub that starts anew, or another one,
queues none a second time; reports of periods that ended before the hub knew anything of them are not made up. What is
sent is what everybody together used: whom it is sent to is the administrator's word.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import NamedTuple

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.management import ManagementConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.mail.message import Attachment, Mail, mail_id
from slurmlens.hub.mail.queue import MailQueue
from slurmlens.hub.reports.forms import ReportForm, file_name, report_bytes
from slurmlens.hub.reports.making import ReportMaker, ReportOrder, whose
from slurmlens.hub.reports.periods import PeriodKind, period_of
from slurmlens.hub.views.report.terminal import render_report, report_title
from slurmlens.hub.views.report.view import ReportView
from slurmlens.runtime.beside import beside
from slurmlens.shown.terminal import Sheet

LOOK_EVERY_S = 600.0
SETTLE_S = 3_600
"""How long after its end a period is reported: accounting tells the last ends a little later."""


class ReportSchedule(NamedTuple):
    """One report that is sent again and again."""

    period: str
    of: str | None
    address: str


def schedules_of(settings: ManagementConfig) -> list[ReportSchedule]:
    """The schedules that the settings name."""
    parts = (text.split() for text in settings.mail_reports)
    return [ReportSchedule(period, None if of == "all" else of, address) for period, of, address in parts]


class ScheduledReports:
    """The schedules of one hub."""

    def __init__(
        self,
        maker: ReportMaker,
        queue: MailQueue,
        cluster: str,
        settings: ManagementConfig,
        clock: Clock,
    ) -> None:
        self._maker = maker
        self._queue = queue
        self._cluster = cluster
        self._schedules = schedules_of(settings)
        self._settings = settings
        self._clock = clock

    async def run(self) -> None:
        """A stage: queues what is over and was not queued yet, now and then."""
        while True:
            await self.queue_due()
            await asyncio.sleep(LOOK_EVERY_S)

    async def queue_due(self) -> int:
        """Queues the report of the last period that is over, of each schedule; returns how many were new."""
        now_s = self._clock.wall_ns() // NS_PER_S
        known = await self._queue.states()
        new = 0
        for schedule in self._schedules:
            order = self._order(schedule, now_s)
            number = mail_id("report", self._cluster, *(part or "" for part in schedule), order.period.label)
            if number in known:
                continue
            view = await self._maker.report(EVERYBODY, order, now_s)
            new += await self._queue.put(number, await beside(partial(_mail, view, schedule.address)))
        return new

    def _order(self, schedule: ReportSchedule, now_s: int) -> ReportOrder:
        """The last period that has been over for a while."""
        kind = PeriodKind(schedule.period)
        current = period_of(kind, None, now_s - SETTLE_S, self._settings.zone)
        last = period_of(kind, None, current.window.from_s - 1, self._settings.zone)
        of_kind, of_name = whose(schedule.of)
        return ReportOrder(period=last, of_kind=of_kind, of_name=of_name)


def _mail(view: ReportView, to: str) -> Mail:
    zone = ManagementConfig(time_zone=view.zone).zone
    forms = (ReportForm.CSV, ReportForm.HTML)
    return Mail(
        to=to,
        subject=report_title(view),
        text=render_report(view, Sheet(zone)),
        html=report_bytes(view, ReportForm.HTML).decode(),
        attachments=tuple(
            Attachment(file_name(view, form), form.content_type, report_bytes(view, form)) for form in forms
        ),
    )
