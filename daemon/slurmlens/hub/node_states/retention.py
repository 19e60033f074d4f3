"""What of this room ages: nodes that tell nothing any more, and what jobs made of GPUs."""

from __future__ import annotations

from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.node_states import tables as schema

DAY_S = 86_400


COURSE_DAYS = 14.0
"""Nodes' courses age at this, or earlier where less is kept of everything: a row each five minutes and node."""


def kinds_of_node_states(days: float) -> list[AgingKind]:
    """All at one age but courses."""
    course_s = min(days, COURSE_DAYS) * DAY_S
    return [
        AgedRows("figures of nodes", schema.node_figures, "told_ns", days * DAY_S),
        AgedRows("courses of nodes", schema.node_courses, "told_ns", course_s),
        AgedRows("hours of resources", schema.resource_hours, "begin_ns", course_s),
        AgedRows("days of file systems", schema.file_system_days, "told_ns", days * DAY_S),
        AgedRows("who uses nodes from outside", schema.node_outsiders, "told_ns", course_s),
        AgedRows("states of nodes", schema.node_states, "told_ns", days * DAY_S),
        AgedRows("use of GPUs", schema.gpu_holdings, "told_ns", days * DAY_S),
    ]
