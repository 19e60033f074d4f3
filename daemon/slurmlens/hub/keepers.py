"""What rooms keep of nodes' events in history's transaction: a row a room. Used by `pipeline` alone."""

from __future__ import annotations

from slurmlens.hub.inventory import software_keeping
from slurmlens.hub.node_states import keeping as state_keeping
from slurmlens.hub.notices import job_wishes
from slurmlens.hub.progress import keeping as progress_keeping

KEEPERS = (progress_keeping.KEEPER, state_keeping.KEEPER, software_keeping.KEEPER, job_wishes.KEEPER)
