"""Carries out what the controller decides: commits, submits, releases, cancels; looks, waits, and goes on after
trouble.

Owns the order of the protocol's steps and nothing that must survive. Whatever fails in the middle is handled as a crash
would be: the attempt is looked up again, the journal read again. `turn` does one look and all that follows from it; the
loop around it belongs to the command. The scheduler, the watch and the clock are handed in, so that tests and the
benchmark run this very code in simulated time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from slurmlens.campaign import record
from slurmlens.campaign.controller import REFUSALS_PAUSE, Controller, Decision, End, ReleaseAttempt, Submit, Write
from slurmlens.campaign.fold import ENFORCEMENT_S, Attempt, AttemptId, State
from slurmlens.campaign.record import Event
from slurmlens.campaign.scheduler import LATER
from slurmlens.campaign.seen import Sight
from slurmlens.errors import SourceError

_MOST_DECISIONS = 100_000


class Commands(Protocol):
    """What is asked of Slurm; `scheduler.CampaignScheduler` on a cluster."""

    def submit_held(self, attempt: Attempt, batch: Path, deadline_s: float | None) -> int: ...

    def find(self, key: str) -> list[int]: ...

    def release(self, job_id: int) -> None: ...

    def end(self, job_ids: Sequence[int], signal: str | None) -> None: ...


class Looks(Protocol):
    """How the world is seen; `watch.QueueWatch` on a cluster."""

    def look(self, state: State, now_s: float) -> Sight: ...


class Appends(Protocol):
    """Where events go; `journal.Journal`."""

    def append(self, event: Event) -> None: ...


class Runner:
    """One controller at work. `prepare` writes a run's folder and gives its batch script; `tell` hears each event."""

    def __init__(
        self,
        controller: Controller,
        journal: Appends,
        commands: Commands,
        looks: Looks,
        clock: Callable[[], float],
        prepare: Callable[[Attempt], Path],
        tell: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.controller = controller
        self._journal = journal
        self._commands = commands
        self._looks = looks
        self._clock = clock
        self._prepare = prepare
        self._tell = tell
        self._interval_s = controller.campaign.poll.interval_s

    def turn(self) -> float:
        """One look and everything that follows; the seconds until the next look are worth it.

        JournalBusy: nothing further was done; read the journal again before the next turn. CampaignError: end.
        """
        sight = self._looks.look(self.controller.state, self._clock())
        acted = False
        for _ in range(_MOST_DECISIONS):
            decision = self.controller.decide(self._clock(), sight)
            if decision is None:
                break
            acted = True
            self._carry_out(decision)
        poll = self.controller.campaign.poll
        self._interval_s = poll.interval_s if acted else min(poll.interval_max_s, self._interval_s * 1.5)
        return self._interval_s

    def write(self, event: Event) -> None:
        """Commit one event, then let it count."""
        self._journal.append(event)
        self.controller.apply(event)
        self._tell(event)

    def _carry_out(self, decision: Decision) -> None:
        match decision:
            case Write(event):
                self.write(event)
            case Submit(attempt, look_first):
                self._submit(attempt, look_first=look_first)
            case ReleaseAttempt(attempt):
                self._release(attempt)
            case End(job_ids, signal):
                with contextlib.suppress(SourceError):  # not ended yet: decided again in a while
                    self._commands.end(job_ids, signal)

    def _submit(self, attempt: Attempt, *, look_first: bool) -> None:
        """Until the id is committed the attempt counts as unanswered: whatever breaks here, it is looked up next
        time.
        """
        self.controller.unanswered(attempt.id, self._clock())
        try:
            job_id = self._adopted(attempt) if look_first else None
            fresh = job_id is None
            if job_id is None:
                job_id = self._commands.submit_held(attempt, self._prepare(attempt), self._deadline_s())
        except SourceError as error:
            self._refused(attempt.id, str(error))
            return
        point, number = attempt.id
        self.write(record.AttemptHeld(at_s=self._clock(), point=point, attempt=number, job_id=job_id))
        self.controller.answered(attempt.id, fresh=fresh)

    def _adopted(self, attempt: Attempt) -> int | None:
        """The lowest id of the attempt's name; further ones are strays, and those are still held."""
        return next(iter(self._commands.find(self.controller.campaign.key(*attempt.id))), None)

    def _refused(self, attempt: AttemptId, reason: str) -> None:
        """Unknown is written once a reason; what does not pass by itself pauses the campaign after a few tries."""
        live = self.controller.state.live[attempt]
        point, number = attempt
        if live.unknown is None or live.unknown.reason != reason:
            self.write(record.SubmissionUnknown(at_s=self._clock(), point=point, attempt=number, reason=reason))
        lasting = not LATER.search(reason)
        if lasting and self.controller.tries(attempt) >= REFUSALS_PAUSE and self.controller.state.paused is None:
            self.write(record.Paused(at_s=self._clock(), reason=f"sbatch refuses: {reason}"))

    def _release(self, attempt: Attempt) -> None:
        assert attempt.job_id is not None
        try:
            self._commands.release(attempt.job_id)
        except SourceError:
            self.controller.unanswered(attempt.id, self._clock())
            return
        point, number = attempt.id
        self.write(record.Released(at_s=self._clock(), point=point, attempt=number))

    def _deadline_s(self) -> float | None:
        """Seconds from now in which Slurm itself has to end the job."""
        deadline_s = self.controller.campaign.limits.deadline_s
        return None if deadline_s is None else deadline_s - ENFORCEMENT_S - self._clock()
