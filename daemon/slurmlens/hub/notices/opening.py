"""Makes the store and the stage of notices as the settings say. Called by `hub.pipeline`."""

from __future__ import annotations

from functools import partial

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.store import Store
from slurmlens.hub.findings.claims import FindingState
from slurmlens.hub.findings.facts import FindingFilter
from slurmlens.hub.findings.room import FindingRoom
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.mail.queue import MailQueue
from slurmlens.hub.notices.channels import channels_for
from slurmlens.hub.notices.digests import Digests, Troubles
from slurmlens.hub.notices.job_wishes import JobWishStore
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.notices.stage import NoticeStage
from slurmlens.hub.progress.read import ProgressQueries
from slurmlens.hub.stages import RoomStages
from slurmlens.hub.views.cluster.build import ATTRIBUTES, ClusterFacts, build_cluster_view
from slurmlens.hub.views.home.digest import OutOfService
from slurmlens.telemetry.internal import Reporter

MOST_FINDINGS = 60


def open_notices(
    config: HubConfig,
    store: Store,
    queries: Queries,
    progress: ProgressQueries,
    findings: FindingRoom | None,
    clock: Clock,
    reporter: Reporter,
) -> tuple[NoticeStore, RoomStages] | None:
    """Wishes and notices, and the stage that tells people; None where the settings name no way to do so."""
    if config.notices is None:
        return None
    notices = NoticeStore(store, config.cluster)
    channels = channels_for(config.notices)
    of_jobs = JobWishStore(store, config.cluster)
    telling = NoticeStage(
        config.notices, notices, queries, progress, of_jobs, channels, clock, reporter, config.management.zone
    )
    stages = [("notices", telling.run)]
    if config.notices.mail is not None:
        troubles = partial(_troubles, InventoryQueries(store, config.cluster), findings, clock)
        digests = Digests(config, notices, queries, MailQueue(store, clock), troubles, clock)
        stages.append(("digests", digests.run))
    return notices, RoomStages(led=tuple(stages))


async def _troubles(inventory: InventoryQueries, findings: FindingRoom | None, clock: Clock) -> Troubles:
    """Nodes that are out of service now, and findings that are open."""
    facts = await inventory.kind(EVERYBODY, EntityKind.NODE, ATTRIBUTES, clock.wall_ns())
    view = build_cluster_view("", ClusterFacts(facts, (), (), ()), EntityKind.PARTITION, clock.wall_ns())
    out = [OutOfService(node.name, node.word, node.reason) for node in view.out_of_service]
    found = () if findings is None else await findings.listed(EVERYBODY, FindingFilter(limit=MOST_FINDINGS))
    return Troubles(out, [f"{one.name} {one.claim.sentence}" for one in found if one.state is FindingState.OPEN])
