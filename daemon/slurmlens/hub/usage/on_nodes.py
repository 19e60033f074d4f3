"""Which runs completed on which nodes: the one SELECT behind comparing generations of nodes.

Owns it and its bound: of each span class the newest runs of a window, so that long ones are not crowded out by short
ones, and a page costs the same on a cluster with many. Used by `read`.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, select

from slurmlens.hub.history import tables as history
from slurmlens.hub.usage.asked import UsageAsked
from slurmlens.hub.usage.generations import TypedRun
from slurmlens.hub.usage.spans import CLOSED_CLASSES
from slurmlens.hub.usage.tables import usage_runs as runs
from slurmlens.slurm.records import JobState

MOST_OF_CLASS = 3_000


def typed_runs(connection: Connection, asked: UsageAsked) -> list[TypedRun]:
    """Runs with a name that started in the window and completed, the newest first."""
    of_run = and_(
        history.runs.c.cluster == runs.c.cluster,
        history.runs.c.job_id == runs.c.job_id,
        history.runs.c.number == runs.c.run,
    )
    found: list[tuple[int, TypedRun]] = []
    for span_class in CLOSED_CLASSES:
        query = (
            select(runs, history.runs.c.nodes)
            .join(history.runs, of_run)
            .where(runs.c.cluster == asked.cluster, runs.c.span_class == span_class)
            .where(runs.c.start_s >= asked.window.from_s, runs.c.start_s < asked.window.to_s)
            .where(runs.c.state == JobState.COMPLETED.value, runs.c.job_type != "", *asked.visible(runs))
            .order_by(runs.c.start_s.desc())
            .limit(MOST_OF_CLASS)
        )
        for row in connection.execute(query).mappings():
            elapsed_s = float(max(0, row["end_s"] - row["start_s"] - row["suspended_s"]))
            cpu_s = row["cpu_ms"] / 1000 or None
            nodes = history.decode_nodes(row["nodes"])
            found.append((row["start_s"], TypedRun(row["job_type"], row["size_class"], elapsed_s, cpu_s, nodes)))
    return [run for _, run in sorted(found, key=lambda one: -one[0])]
