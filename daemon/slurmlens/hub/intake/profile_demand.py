"""How often a node shall send what is new of its jobs' profiles: often while somebody looks at one of them.

Owns who looks at which job, and which jobs run on which node. Pages say who looks; nodes' heartbeats and starts are
heard of in `news`, when a node is about to be answered. Asked by `ingest`. Where several hubs share the database each
tells the others whom its pages look at, for a node's answer may come from any of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from slurmlens.config.hub import HubProfileConfig
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.news import (
    BeatReceived,
    JobLookedAt,
    News,
    ProfileGrew,
    ProgressTold,
    RunsChanged,
    SightingBegan,
    Subscription,
)

TELL_EVERY_S = 20.0
LOOKED_S = 60.0
"""How long somebody who asked once (a terminal, a program) counts as somebody who looks."""

MOST_NODES = 20_000
"""Nodes that may be heard of between two answers; one that is missed says the same with its next heartbeat."""


class ProfileDemand:
    """What is wanted of the nodes of one hub."""

    def __init__(self, news: News, settings: HubProfileConfig) -> None:
        self._news = news
        self._settings = settings
        self._heard = news.subscribe(BeatReceived, SightingBegan, JobLookedAt, most_waiting=MOST_NODES)
        self._running: dict[str, frozenset[int]] = {}
        self._watched: Counter[int] = Counter()
        self._looked: dict[int, float] = {}

    @contextmanager
    def watch(self, viewer: Viewer, job_id: int) -> Iterator[Subscription]:
        """What changes about a job until the block is left; meanwhile somebody looks at it.

        The viewer has read the job before: a fact says nothing but that it is to be read again.
        """
        hearer = self._news.subscribe(RunsChanged, ProfileGrew, ProgressTold, job_id=job_id)
        self._watched[job_id] += 1
        self._tell(job_id)
        try:
            yield hearer
        finally:
            hearer.close()
            self._watched[job_id] -= 1
            if not self._watched[job_id]:
                del self._watched[job_id]

    def looked(self, viewer: Viewer, job_id: int) -> None:
        """The viewer has asked for a job once; its nodes shall send what is new for a while, as for a live page."""
        self._note(job_id)
        self._tell(job_id)

    async def tell_watched(self) -> None:
        """A stage, where there are other hubs: they know for as long as a page is open."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            for job_id in self._watched:
                self._tell(job_id)

    def _note(self, job_id: int) -> None:
        now_s = asyncio.get_running_loop().time()
        self._looked.pop(job_id, None)
        self._looked = {other: until_s for other, until_s in self._looked.items() if until_s > now_s}
        self._looked[job_id] = now_s + LOOKED_S

    def _tell(self, job_id: int) -> None:
        self._news.publish(JobLookedAt(job_id), unless=self._heard)

    def wanted_interval_s(self, node: str) -> float:
        """How often this node shall send what is new of its jobs' profiles now."""
        self._hear()
        now_s = asyncio.get_running_loop().time() if self._looked else 0.0
        is_looked_at = any(
            job_id in self._watched or self._looked.get(job_id, now_s) > now_s
            for job_id in self._running.get(node, frozenset())
        )
        return self._settings.live_interval_s if is_looked_at else self._settings.idle_interval_s

    def watcher_count(self) -> int:
        """How many pages are kept up to date now."""
        return self._watched.total()

    def _hear(self) -> None:
        for fact in self._heard.take_all():
            if isinstance(fact, BeatReceived):
                self._running[fact.node] = fact.job_ids
            elif isinstance(fact, JobLookedAt):
                self._note(fact.job_id)
            elif isinstance(fact, SightingBegan):  # between two heartbeats
                self._running[fact.node] = self._running.get(fact.node, frozenset()) | {fact.job_id}
