"""One job's view, made once for all who look at it in the same moment.

Owns the few views that are fresh. Fed by `ports.Queries`; asked by `pages` and `live_stream`. A hundred open pages of
one job cost one query, one view and one rendering per change. Whoever asks says from when on an answer is new enough,
so that nobody is ever given a view from before the change that woke them.
"""

from __future__ import annotations

import asyncio
from functools import cached_property

import jinja2

from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.web.ports import Queries
from slurmlens.hub.web.render import PARTS, render_part

MOST_KEPT = 64

Key = tuple[int, int | None]


class Shown:
    """A view, and the parts of its page once somebody needs them."""

    def __init__(self, view: JobView, environment: jinja2.Environment) -> None:
        self.view = view
        self._environment = environment

    @cached_property
    def parts(self) -> dict[str, str]:
        """The HTML of every part that changes while a job runs."""
        return {part: render_part(self._environment, part, self.view) for part in PARTS}


class ViewCache:
    """Views by (job id, run), each with the time at which reading it began."""

    def __init__(self, queries: Queries, environment: jinja2.Environment) -> None:
        self._queries = queries
        self._environment = environment
        self._kept: dict[Key, tuple[float, asyncio.Task[Shown | None]]] = {}

    async def get(self, job_id: int, run: int | None, *, not_before: float) -> Shown | None:
        """The job as it was read at `not_before` (the loop's clock) or later; None where nobody told of it."""
        key = (job_id, run)
        kept = self._kept.get(key)
        if kept is None or kept[0] < not_before:
            began = asyncio.get_running_loop().time()
            kept = (began, asyncio.create_task(self._read(key)))
            self._kept.pop(key, None)
            self._kept[key] = kept
            while len(self._kept) > MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
        # shielded: one browser that leaves must not take the answer away from the others
        return await asyncio.shield(kept[1])

    async def _read(self, key: Key) -> Shown | None:
        facts = await self._queries.job_facts(*key)
        return None if facts is None else Shown(build_job_view(facts), self._environment)
