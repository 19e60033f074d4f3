"""Makes the store and the stage of notices as the settings say. Called by `hub.pipeline`."""

from __future__ import annotations

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.notices.channels import channels_for
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.notices.stage import NoticeStage
from slurmlens.hub.progress.read import ProgressQueries
from slurmlens.runtime.supervisor import Stage
from slurmlens.telemetry.internal import Reporter


def open_notices(
    config: HubConfig, store: Store, queries: Queries, progress: ProgressQueries, clock: Clock, reporter: Reporter
) -> tuple[NoticeStore, Stage] | None:
    """Wishes and notices, and the stage that tells people; None where the settings name no way to do so."""
    if config.notices is None:
        return None
    notices = NoticeStore(store, config.cluster)
    channels = channels_for(config.notices)
    return notices, NoticeStage(config.notices, notices, queries, progress, channels, clock, reporter).run
