"""A new route says who sees what there: the table of roles is complete."""

from __future__ import annotations

from typing import cast

from slurmlens.config.hub import HubConfig
from slurmlens.config.notices import NoticesConfig
from slurmlens.hub.audit.keeping import AuditStore
from slurmlens.hub.audit.stage import Auditor
from slurmlens.hub.campaigns.keeping import Campaigns
from slurmlens.hub.findings.room import FindingRoom
from slurmlens.hub.investigations.keeping import InvestigationStore
from slurmlens.hub.logs.store import LogReads
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.reports.making import ReportMaker
from slurmlens.hub.web.app import make_app
from slurmlens.hub.web.ports import SoftwareReads, TriggerReads, UsageReads
from testkit.job_hub import FixedHistory, FixedInventory, Live, ToldInside, plain_status, take_nothing
from testkit.role_table import ROWS


async def paths_of_the_hub() -> set[str]:
    live = Live()
    app = make_app(
        queries=FixedHistory({}),
        progress=ToldInside(),
        inventory=FixedInventory(),
        software=cast(SoftwareReads, object()),
        live=live.demand,
        take_events=take_nothing,
        status=plain_status,
        settings=HubConfig(notices=NoticesConfig()),
        notices=cast(NoticeStore, object()),
        logs=cast(LogReads, object()),
        campaigns=cast(Campaigns, object()),
        findings=cast(FindingRoom, object()),
        usage=cast(UsageReads, object()),
        reports=cast(ReportMaker, object()),
        triggers=cast(TriggerReads, object()),
        audit=(cast(AuditStore, object()), cast(Auditor, object())),
        investigations=cast(InvestigationStore, object()),
    )
    return {resource.canonical for resource in app.router.resources()}


async def test_every_route_has_its_row_and_every_row_its_route() -> None:
    paths = await paths_of_the_hub()
    assert paths - set(ROWS) == set(), "decide who sees what there: a row in tests/testkit/role_table.py"
    assert set(ROWS) - paths == set(), "rows of routes that are no more: tests/testkit/role_table.py"
