"""What all rooms of the hub know of one run, read for its view.

Owns which rooms are asked, and about what time. A job's page and its time line are made from the same reading, so that
they cannot differ. Fed by `ports`; used by `view_cache` and `pages.job`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.inventory.questions.memberships import Membership
from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.web.marked_lines import MarkedLines
from slurmlens.hub.web.ports import JobSources

AROUND_A_RUN_NS = 60 * NS_PER_S
"""slurmctld's hooks run before the first node's Prolog and after the last one's Epilog; a requeued run waits longer."""


class JobReading:
    """Asks the rooms beside history what they know of a run."""

    def __init__(self, sources: JobSources) -> None:
        self._sources = sources

    def marked_lines(self) -> MarkedLines | None:
        """Where lines of one run are kept from one reading to the next; None where the hub keeps no lines."""
        return None if self._sources.logs is None else MarkedLines(self._sources.logs)

    async def ready(self, viewer: Viewer, facts: JobFacts, marked: MarkedLines | None) -> Callable[[], JobView]:
        """Reads everything; what it returns makes the view, which takes a while for a wide job: beside the loop."""
        of, run = self._sources, (viewer, facts.job_id, facts.run)
        around = RunSurroundings(
            progress=await of.progress.of_job(*run),
            lines=() if marked is None else await marked.read(viewer, facts),
            triggers=() if of.triggers is None else await of.triggers.of_run(*run),
            findings=() if of.findings is None else await of.findings.of_job(*run),
            gpus=() if of.node_states is None else await of.node_states.of_job(*run),
            memberships=await self._memberships(viewer, facts),
            controller=() if of.controller is None else await of.controller.of_run(*run, *_around(facts)),
            earlier=() if of.earlier is None else await of.earlier.of_job(viewer, facts),
            node_courses=await self._node_courses(viewer, facts),
        )
        return lambda: build_job_view(facts, around)

    async def _memberships(self, viewer: Viewer, facts: JobFacts) -> Sequence[Membership]:
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

    async def _node_courses(self, viewer: Viewer, facts: JobFacts) -> Sequence[NodeCourse]:
        """How the run's nodes themselves fared while it ran."""
        if self._sources.node_states is None or facts.start_ns is None:
            return ()
        nodes = [node.node for node in facts.nodes]
        until_ns = facts.end_ns or facts.as_of_ns
        return await self._sources.node_states.course(viewer, nodes, facts.start_ns // NS_PER_S, until_ns // NS_PER_S)


def _around(facts: JobFacts) -> tuple[int, int | None]:
    """From when until when slurmctld's hooks spoke of this run."""
    begin_ns = facts.start_ns or facts.submit_ns or 0
    return max(0, begin_ns - AROUND_A_RUN_NS), None if facts.end_ns is None else facts.end_ns + AROUND_A_RUN_NS
