"""Lists of jobs as pages show them: read, noted as looked at, with how far those that run say they are.

Fed by `ports`; used by the pages of jobs, of one user, and of nodes and their like. Whose jobs somebody was shown is
noted here, so that no page can list jobs unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from slurmlens.clock import Clock
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.history.facts import JobFacts, JobFilter, JobList, JobRow
from slurmlens.hub.progress.facts import JobProgressFacts, JobRun
from slurmlens.hub.views.jobs.build import build_jobs_view
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.hub.web.addresses import job_filter
from slurmlens.hub.web.ports import HistoryQueries, ProgressReads


class JobListing:
    """Lists for whoever asks."""

    def __init__(self, queries: HistoryQueries, progress: ProgressReads, clock: Clock, control: AccessControl) -> None:
        self._queries = queries
        self._progress = progress
        self._clock = clock
        self._control = control

    def now_ns(self) -> int:
        """When a list is made."""
        return self._clock.wall_ns()

    async def listed(self, viewer: Viewer, filters: Mapping[str, str], after: str | None) -> JobsView:
        """The list under these filters of an address; PageError 400 names a bad one."""
        wanted = job_filter(filters, after)
        found = await self._queries.jobs(viewer, wanted)
        self.saw(viewer, urlencode(filters), found.rows)
        told = await self.told(viewer, found.rows)
        return build_jobs_view(found, filters, wanted, self.now_ns(), told)

    async def rows(self, viewer: Viewer, wanted: JobFilter) -> JobList:
        """Jobs as history has them; whoever shows them says so by `saw`."""
        return await self._queries.jobs(viewer, wanted)

    async def facts(self, viewer: Viewer, row: JobRow) -> JobFacts | None:
        """All of one listed run; None where it is not there any more."""
        return await self._queries.job_facts(viewer, row.job_id, row.run)

    async def told(self, viewer: Viewer, rows: Iterable[JobRow]) -> Mapping[JobRun, JobProgressFacts]:
        """What processes reported of those that run."""
        running = {(row.job_id, row.run) for row in rows if row.end_ns is None and row.start_ns is not None}
        return await self._progress.of_runs(viewer, running)

    def saw(self, viewer: Viewer, what: str, rows: Iterable[JobRow]) -> None:
        """The viewer was shown these."""
        self._control.saw_list(viewer, what, (row.user for row in rows))
