"""What of this room ages: nodes that tell nothing any more, and what jobs made of GPUs."""

from __future__ import annotations

from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.node_states import tables as schema

DAY_S = 86_400


def kinds_of_node_states(days: float) -> list[AgingKind]:
    """Both at one age."""
    return [
        AgedRows("states of nodes", schema.node_states, "told_ns", days * DAY_S),
        AgedRows("use of GPUs", schema.gpu_holdings, "told_ns", days * DAY_S),
    ]
