"""What a run's time line is made from, read: the job's own view, its nodes in the inventory, counts of its log lines.

Made anew for each asker: who keeps looking looks at the job's page, which `view_cache` shares. Fed by `ports`; used by
`pages.job`.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.inventory.entities import EntityKind, HeldFact
from slurmlens.hub.logs.query import LogQuery
from slurmlens.hub.logs.store import LogStoreError, Slot
from slurmlens.hub.views.job_timeline.build import ATTRIBUTES, build_timeline, log_width_s, window_of
from slurmlens.hub.views.job_timeline.view import JobTimelineView
from slurmlens.hub.web.job_reading import JobReading
from slurmlens.hub.web.ports import HistoryQueries, JobSources
from slurmlens.runtime.beside import beside

MARGIN_S = 300
MOST_MARGIN_S = 86_400


class TimelineReading:
    """Reads one run's time line."""

    def __init__(self, queries: HistoryQueries, sources: JobSources) -> None:
        self._queries = queries
        self._sources = sources
        self._reading = JobReading(sources)

    async def read(self, viewer: Viewer, job_id: int, run: int | None, margin_s: int) -> JobTimelineView | None:
        """The time line of a run, the latest where none is named; None where there is none that may be seen."""
        facts = await self._queries.job_facts(viewer, job_id, run)
        if facts is None:
            return None
        view_of = await self._reading.ready(viewer, facts, self._reading.marked_lines())
        told = await self._of_nodes(viewer, facts, margin_s)
        slots = await self._log_counts(viewer, facts, margin_s)
        return await beside(lambda: build_timeline(facts, view_of(), margin_s, told, slots))

    async def _of_nodes(self, viewer: Viewer, facts: JobFacts, margin_s: int) -> Sequence[HeldFact]:
        """States, reasons and boots of the run's nodes in the window."""
        if self._sources.inventory is None or facts.start_ns is None:
            return ()
        nodes = [node.node for node in facts.nodes]
        return await self._sources.inventory.changes(
            viewer, EntityKind.NODE, nodes, ATTRIBUTES, window_of(facts, margin_s)
        )

    async def _log_counts(self, viewer: Viewer, facts: JobFacts, margin_s: int) -> Sequence[Slot] | None:
        """How many lines of the job were logged when; None where there is no store of lines, or it is away."""
        if self._sources.logs is None:
            return None
        from_ns, until_ns = window_of(facts, margin_s)
        width_ns = log_width_s(from_ns, until_ns) * NS_PER_S
        from_ns -= from_ns % width_ns
        query = LogQuery(job_id=facts.job_id, since_ns=from_ns, until_ns=until_ns)
        try:
            return await self._sources.logs.histogram(viewer, query, from_ns, width_ns)
        except LogStoreError:
            return None
