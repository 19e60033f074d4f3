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
from collections.abc import Sequence

import jinja2

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.inventory.questions.memberships import Membership
from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.web.marked_lines import MarkedLines
from slurmlens.hub.web.ports import HistoryQueries, JobSources
from slurmlens.hub.web.shown import Shown
from slurmlens.runtime.beside import beside

AROUND_A_RUN_NS = 60 * NS_PER_S
"""slurmctld's hooks run before the first node's Prolog and after the last one's Epilog; a requeued run waits longer."""

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
        self._sources = sources
        self._environment = environment
        self._kept: dict[Key, _Projection] = {}

    async def get(self, viewer: Viewer, job_id: int, run: int | None, *, not_before: float) -> Shown | None:
        """The job as it was read at `not_before` (the loop's clock) or later; None where nobody reported it."""
        key = (viewer, job_id, run)
        kept = self._kept.pop(key, None) or _Projection(
            None if self._sources.logs is None else MarkedLines(self._sources.logs)
        )
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
            kept.shown = None if facts is None else await self._made_of(key[0], facts, kept.lines)
            kept.read_at = began
            kept.rest_until = loop.time() + min(MOST_REST_S, REST_PER_WORK * (loop.time() - began))
        finally:
            kept.reading = None
        self._keep_within_bounds()

    async def _made_of(self, viewer: Viewer, facts: JobFacts, marked: MarkedLines | None) -> Shown:
        """The view of these facts with what the other rooms know of the job, made beside the loop."""
        of, run = self._sources, (viewer, facts.job_id, facts.run)
        told = await of.progress.of_job(*run)
        lines = () if marked is None else await marked.read(viewer, facts)
        due = () if of.triggers is None else await of.triggers.of_run(*run)
        found = () if of.findings is None else await of.findings.of_job(*run)
        gpus = () if of.node_states is None else await of.node_states.of_job(*run)
        then = await self._then(viewer, facts)
        words = () if of.controller is None else await of.controller.of_run(*run, *_around(facts))
        earlier = () if of.earlier is None else await of.earlier.of_job(viewer, facts)
        courses = await self._courses(viewer, facts)

        def make() -> Shown:
            view = build_job_view(facts, told, lines, found, due, gpus, then, words, earlier, courses)
            return Shown(view, self._environment)

        return await beside(make)

    async def _then(self, viewer: Viewer, facts: JobFacts) -> Sequence[Membership]:
        """What the run hung together with when it began; that is told by the hub's own memory alone."""
        inventory = self._sources.inventory
        if inventory is None or facts.start_ns is None:
            return ()
        partition = user = None
        if facts.record is not None:
            partition, user = facts.record.partition, facts.record.user
        elif facts.identity is not None:
            partition, user = facts.identity.partition, facts.identity.user_name
        nodes = [node.node for node in facts.nodes]
        return await inventory.memberships(viewer, partition, user, nodes, facts.start_ns, facts.as_of_ns)

    async def _courses(self, viewer: Viewer, facts: JobFacts) -> Sequence[NodeCourse]:
        """How the run's nodes themselves fared while it ran."""
        if self._sources.node_states is None or facts.start_ns is None:
            return ()
        nodes = [node.node for node in facts.nodes]
        until_ns = facts.end_ns or facts.as_of_ns
        return await self._sources.node_states.course(viewer, nodes, facts.start_ns // NS_PER_S, until_ns // NS_PER_S)

    def _keep_within_bounds(self) -> None:
        nodes = sum(len(kept.shown.view.nodes) for kept in self._kept.values() if kept.shown)
        for key, kept in list(self._kept.items())[:-1]:
            if len(self._kept) <= MOST_KEPT and nodes <= MOST_NODES_KEPT:
                return
            if kept.reading is None:
                nodes -= len(kept.shown.view.nodes) if kept.shown else 0
                del self._kept[key]


def _around(facts: JobFacts) -> tuple[int, int | None]:
    """From when until when slurmctld's hooks spoke of this run."""
    begin_ns = facts.start_ns or facts.submit_ns or 0
    return max(0, begin_ns - AROUND_A_RUN_NS), None if facts.end_ns is None else facts.end_ns + AROUND_A_RUN_NS
