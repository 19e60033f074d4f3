"""What of the inventory ages, where a site wants that: facts and relations that ended long ago.

Owns which rows go: what holds still never does, whenever it began. Sets of packages go when no node told them for so
long. By default nothing goes, for a question of the past (`--at`) has no other answer, and a cluster's changes are few
beside its jobs. `database.retention` takes the steps.
"""

from __future__ import annotations

from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.inventory import tables as schema

DAY_S = 86_400


def kinds_of_inventory(days: float | None) -> list[AgingKind]:
    """All that ages in this room, by when it ended; nothing without an age."""
    if days is None:
        return []
    return [
        AgedRows("ended facts of the cluster", schema.facts, "valid_to_ns", days * DAY_S),
        AgedRows("sets of packages", schema.software_sets, "last_told_ns", days * DAY_S),
        AgedRows("ended relations of the cluster", schema.relations, "valid_to_ns", days * DAY_S),
    ]
