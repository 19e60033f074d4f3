"""One job's view, made once for all who look at it in the same moment.

Owns the few views that are fresh. Fed by `ports`; asked by `pages` and `live_stream`. A thousand open pages of
one job cost one reading, one view and one rendering per change. Whoever asks says from when on an answer is new enough,
so that nobody is ever given a view from before the change that woke them.

A job is read by one at a time: who comes while it is read waits for that and shares the next reading. Between two there
is a pause in proportion to what the last one took, so that a job of a thousand nodes that are reported one after
another does not keep the hub busy with its page alone. What is made of the facts is made beside the loop.
"""

from __future__ import annotations

import asyncio

import jinja2

from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.web.job_reading import JobReading
from slurmlens.hub.web.marked_lines import MarkedLines
from slurmlens.hub.web.ports import HistoryQueries, JobSources
from slurmlens.hub.web.shown import Shown
from slurmlens.runtime.beside import beside

MOST_KEPT = 64
MOST_NODES_KEPT = 8_000
"""Of all views together; some 3 KiB each."""
REST_PER_WORK = 3.0
MOST_REST_S = 2.0
"""After a reading that took a second, three seconds without one, but for no more than these."""

Key = tuple[Viewer, int, int | None]


class _Projection:
    """One job as it was last read, and the reading that is under way."""

    def __init__(self, lines: MarkedLines | None) -> None:
        self.lines = lines
        self.shown: Shown | None = None
        self.read_at = float("-inf")
        """When the reading began (the loop's clock) that `shown` is of."""
        self.rest_until = float("-inf")
        self.reading: asyncio.Task[None] | None = None


class ViewCache:
    """Views by (viewer, job id, run)."""

    def __init__(
        self,
        queries: HistoryQueries,
        sources: JobSources,
        environment: jinja2.Environment,
    ) -> None:
        self._queries = queries
        self._reading = JobReading(sources)
        self._environment = environment
        self._kept: dict[Key, _Projection] = {}

    async def get(self, viewer: Viewer, job_id: int, run: int | None, *, not_before: float) -> Shown | None:
        """The job as it was read at `not_before` (the loop's clock) or later; None where nobody reported it."""
        key = (viewer, job_id, run)
        kept = self._kept.pop(key, None) or _Projection(self._reading.marked_lines())
        self._kept[key] = kept  # behind those that nobody asked for since
        while kept.read_at < not_before:
            if kept.reading is None:
                kept.reading = asyncio.create_task(self._read(key, kept))
            # shielded: one browser that leaves must not take the answer away from the others
            await asyncio.shield(kept.reading)
        return kept.shown

    async def _read(self, key: Key, kept: _Projection) -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(kept.rest_until - loop.time())
            began = loop.time()
            facts = await self._queries.job_facts(*key)
            kept.shown = None if facts is None else await self._shown(key[0], facts, kept.lines)
            kept.read_at = began
            kept.rest_until = loop.time() + min(MOST_REST_S, REST_PER_WORK * (loop.time() - began))
        finally:
            kept.reading = None
        self._keep_within_bounds()

    async def _shown(self, viewer: Viewer, facts: JobFacts, marked: MarkedLines | None) -> Shown:
        view_of = await self._reading.ready(viewer, facts, marked)
        return await beside(lambda: Shown(view_of(), self._environment))

    def _keep_within_bounds(self) -> None:
        nodes = sum(len(kept.shown.view.nodes) for kept in self._kept.values() if kept.shown)
        for key, kept in list(self._kept.items())[:-1]:
            if len(self._kept) <= MOST_KEPT and nodes <= MOST_NODES_KEPT:
                return
            if kept.reading is None:
                nodes -= len(kept.shown.view.nodes) if kept.shown else 0
                del self._kept[key]
