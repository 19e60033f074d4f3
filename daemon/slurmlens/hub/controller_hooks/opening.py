"""Makes the room of slurmctld's hooks as the settings say. Called by `hub.pipeline`."""

from __future__ import annotations

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.dropbox import ControllerDropbox
from slurmlens.hub.controller_hooks.keeping import ControllerEventStore
from slurmlens.hub.controller_hooks.stage import ControllerHooks, owners_of
from slurmlens.hub.database.store import Store
from slurmlens.hub.news import News
from slurmlens.hub.stages import RoomStages
from slurmlens.telemetry.internal import Reporter


def stages_of_controller_hooks(
    config: HubConfig, store: Store, news: News, clock: Clock, reporter: Reporter
) -> RoomStages:
    """The stage that drains the dropbox, at every hub that is told of one: the folder is its own host's."""
    path = config.slurm.hook_dropbox
    if path is None:
        return RoomStages()
    folder = ControllerDropbox(path, owners_of(config.slurm.slurm_user, reporter), reporter, clock)
    kept = ControllerEventStore(store, config.cluster)
    stage = ControllerHooks(folder, kept, config.cluster, news, reporter)
    return RoomStages(everywhere=(("controller hooks", stage.run),))
