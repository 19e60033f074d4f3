"""Says what a committed transaction has changed, as facts of `news`, and reports what could not be concluded.

Owns which event or conclusion becomes which fact. Called on the loop, after the commit, by all that write history.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from slurmlens.events import JobEnd, JobMessage, JobProgress, JobStart, MachineState, NodeHeartbeat
from slurmlens.hub.history.record.concluding import Concluded
from slurmlens.hub.history.record.sighting_fold import is_sighting_event
from slurmlens.hub.news import (
    BatchStored,
    BeatReceived,
    News,
    ProgressTold,
    RunsChanged,
    RunsMarked,
    SightingBegan,
    SightingEnded,
    SightingsClosed,
)
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.received import ReceivedEvent, ReceivedSummary

REFRESH_FAILED = InternalEvent(
    "runs_refresh_failed", logging.ERROR, "the runs of job {job_id} could not be made anew: {error}"
)


class Announcer:
    """Publishes for all of history's stores."""

    def __init__(self, news: News, reporter: Reporter) -> None:
        self._news = news
        self._reporter = reporter

    def concluded(self, concluded: Concluded) -> None:
        """Runs were concluded anew, or marked to be."""
        for key, error in concluded.failed.items():
            self._reporter.report(REFRESH_FAILED, job_id=key.job_id, error=repr(error), cause=error)
        for key in concluded.done:
            self._news.publish(RunsChanged(key.job_id))
        if concluded.marked:
            self._news.publish(RunsMarked())

    def closed(self) -> None:
        """Sightings were closed without a word of their nodes."""
        self._news.publish(SightingsClosed())

    def events(self, new: Sequence[ReceivedEvent]) -> None:
        """Events were stored that were not known before; heartbeats first, for a start beside one may be newer."""
        beats = [event for event in new if isinstance(event, NodeHeartbeat)]
        for beat in beats:
            running = frozenset(job_id for job_id, _ in beat.running)
            self._news.publish(BeatReceived(beat.cluster, beat.node, running))
        for event in new:
            if isinstance(event, JobStart):
                self._news.publish(SightingBegan(event.job.job_id, event.node))
            elif isinstance(event, JobEnd | ReceivedSummary):
                self._news.publish(SightingEnded(event.job.job_id))
            elif isinstance(event, JobProgress | JobMessage):
                self._news.publish(ProgressTold(event.job_id))
            elif isinstance(event, MachineState):
                for job_id in {holding.job_id for holding in event.holdings}:
                    self._news.publish(ProgressTold(job_id))
        if any(is_sighting_event(event) for event in new):
            self._news.publish(BatchStored())
