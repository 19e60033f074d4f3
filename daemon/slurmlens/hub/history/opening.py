"""Makes the stages that keep history right and small. Called by `hub.pipeline`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from slurmlens.clock import Clock
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.reconcile import Reconciler
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.applying import Applier
from slurmlens.hub.history.record.packing import Packer
from slurmlens.hub.history.refresh import Refresher
from slurmlens.hub.news import News
from slurmlens.hub.stages import RoomStages
from slurmlens.telemetry.internal import Reporter


def stages_of_history(
    store: Store,
    applier: Applier,
    announcer: Announcer,
    last_queue_ns: Callable[[], int | None],
    news: News,
    clock: Clock,
    reporter: Reporter,
) -> RoomStages:
    """Runs are concluded, reconciled with the queue, and packed; the newest beats are written now and then."""
    reconciler = Reconciler(
        store,
        applier.beats,
        applier.concluder,
        announcer,
        last_queue_ns=last_queue_ns,
        clock=clock,
        reporter=reporter,
        started_ns=clock.wall_ns(),
    )
    return RoomStages(
        led=(
            ("refresh", Refresher(store, applier.concluder, news, announcer, clock).run),
            ("reconcile", reconciler.run),
            ("packing", Packer(store, applier.recent_profiles, news, reporter).run),
        ),
        everywhere=(("beats", partial(applier.beats.keep_written, store)), ("statistics", store.run_upkeep)),
    )
