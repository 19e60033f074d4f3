"""What a hub with `[notices.mail]` runs: the delivery of mail, and reports by schedule. Made by `pipeline`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.database.store import Store
from slurmlens.hub.mail.delivering import MailDelivery
from slurmlens.hub.mail.queue import MailQueue
from slurmlens.hub.reports.making import ReportMaker
from slurmlens.hub.reports.scheduled import ScheduledReports
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.telemetry.internal import Reporter

MailStage = tuple[str, Callable[[], Coroutine[Any, Any, None]]]


def stages_of_mail(
    config: HubConfig, store: Store, usage: UsageQueries, clock: Clock, reporter: Reporter
) -> list[MailStage]:
    """The stages by name; none where no mail is set up."""
    mail = None if config.notices is None else config.notices.mail
    if mail is None:
        return []
    queue = MailQueue(store, clock)
    maker = ReportMaker(usage, config.cluster, config.management)
    reports = ScheduledReports(maker, queue, config.cluster, config.management, clock)
    return [("mail", MailDelivery(queue, mail, reporter).run), ("reports", reports.run)]
