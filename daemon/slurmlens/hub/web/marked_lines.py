"""What was logged about a run that is looked at, kept from one reading of it to the next.

Owns when the log store is asked, and for which days: a store has a file a day, and a job may be weeks old. All its days
are asked when somebody begins to look, and every `WHOLE_S` after that, for lines may come late; in between only what
may have come since, which is today and yesterday. Invariant: two readings within `WHOLE_S` show no line less than one
would. A store that cannot be read costs these lines alone. One for each run that `view_cache` keeps.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.logs.query import LogQuery, StoredLine
from slurmlens.hub.logs.store import LogReads, LogStoreError
from slurmlens.hub.views.job.cause_rules import CAUSE_KINDS
from slurmlens.hub.views.job.log_marks import MARKED

AFTER_ITS_END_NS = 300 * NS_PER_S
"""What is logged so long after a run's end is still about it."""

WHOLE_S = 600.0
NEW_NS = 86_400 * NS_PER_S
"""So far back is asked in between: the store's days are of UTC, and a node's clock may be a little behind."""


class MarkedLines:
    """The lines that say what befell one run, as far as one viewer may see them."""

    def __init__(self, logs: LogReads) -> None:
        self._logs = logs
        self._kept: tuple[StoredLine, ...] = ()
        self._run: int | None = None
        self._whole_after_ns = 0

    async def read(self, viewer: Viewer, facts: JobFacts) -> Sequence[StoredLine]:
        """The newest lines that say what befell the run."""
        whole = _query(facts)
        is_whole = facts.as_of_ns >= self._whole_after_ns or facts.run != self._run
        new_ns = max(whole.since_ns or 0, facts.as_of_ns - NEW_NS)
        if not is_whole and whole.until_ns is not None and whole.until_ns <= new_ns:
            return self._kept
        query = whole if is_whole else msgspec.structs.replace(whole, since_ns=new_ns)
        try:
            found = (await self._logs.search(viewer, query)).lines
        except LogStoreError:
            return ()
        if is_whole:
            self._run, self._whole_after_ns = facts.run, facts.as_of_ns + round(WHOLE_S * NS_PER_S)
            self._kept = tuple(found)
        else:
            earlier = [line for line in self._kept if line.place.time_ns < new_ns]
            self._kept = (*found, *earlier)[: whole.limit]
        return self._kept


def _query(facts: JobFacts) -> LogQuery:
    end_ns = facts.end_ns
    return LogQuery(
        job_id=facts.job_id,
        kinds=MARKED | CAUSE_KINDS,
        since_ns=facts.submit_ns or facts.start_ns,
        until_ns=None if end_ns is None else end_ns + AFTER_ITS_END_NS,
    )
