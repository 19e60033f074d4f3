"""What of progress ages: the courses of tasks and the events that jobs told, by when they last spoke.

Owns which rows go. A task that spoke again since its row was read stays. `database.retention` takes the steps.
"""

from __future__ import annotations

from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.progress import tables as schema

DAY_S = 86_400


def kinds_of_progress(days: float) -> list[AgingKind]:
    """All that ages in this room, both at one age."""
    return [
        AgedRows("progress", schema.progress_tasks, "told_ns", days * DAY_S),
        AgedRows("messages of jobs", schema.progress_messages, "time_ns", days * DAY_S),
    ]
