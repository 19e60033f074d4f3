"""Decides what a campaign does next: no clock, no I/O, no SQL.

Owns the order of decisions. `decide(now, sight)` gives the one thing to do now; whoever does it (`runner`, or a test's
simulated scheduler) commits the event that comes of it and calls `apply`. Everything that must survive is in `State`;
what is remembered here besides (looks of early stopping, back-offs) may be lost at any moment.

The protocol of a job, by which no point runs twice and none is lost whatever dies when:
an Intent is committed; the job is submitted *held*; its id is committed (AttemptHeld); that id, and no other, is
released. After a crash an Intent without an id is looked up by its job name: the lowest id is adopted, further ones are
cancelled as strays while they are still held. User code starts only after a release, and only a recorded id is
released.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from slurmlens.campaign import record
from slurmlens.campaign.early_stop import EarlyStop, Judgement
from slurmlens.campaign.fold import Attempt, AttemptId, PointState, State
from slurmlens.campaign.optimisers import Optimiser
from slurmlens.campaign.policy import WITHDRAWN_PAUSE, Again, Tell, enough, excluded, follow, room
from slurmlens.campaign.record import AttemptOutcome, Event, PointVerdict
from slurmlens.campaign.search import Search
from slurmlens.campaign.seen import Finish, QueuedJob, Sight
from slurmlens.campaign.settings import Campaign

RETRY_FIRST_S = 5.0
RETRY_MAX_S = 120.0
REFUSALS_PAUSE = 5


class Write(NamedTuple):
    """Commit this event."""

    event: Event


class Submit(NamedTuple):
    """Submit the attempt held and commit AttemptHeld; `look_first`: it may be in the queue already, adopt it then."""

    attempt: Attempt
    look_first: bool


class ReleaseAttempt(NamedTuple):
    """Let the attempt's job go and commit Released."""

    attempt: Attempt


class End(NamedTuple):
    """End these jobs by id; `signal` first where one is named. Doing it twice does no harm."""

    job_ids: tuple[int, ...]
    signal: str | None = None


Decision = Write | Submit | ReleaseAttempt | End


class Controller:
    """One campaign between its journal and the world."""

    def __init__(self, campaign: Campaign, optimiser: Optimiser, events: Iterable[Event] = ()) -> None:
        self.campaign = campaign
        self.state = State(campaign)
        self._search = Search(campaign, optimiser)
        steps = campaign.running.steps if campaign.running else None
        self._early = EarlyStop(campaign.early_stop, steps)
        self._not_before_s: dict[AttemptId, float] = {}
        self._tries: dict[AttemptId, int] = {}
        self._fresh: set[AttemptId] = set()
        self._unseen_since_s: dict[AttemptId, float] = {}
        self._ending: dict[int, float] = {}
        self._looked_at: Sight | None = None
        self._lost_runs: dict[AttemptId, Judgement] = {}
        for event in events:
            self._take(event)

    def apply(self, event: Event) -> None:
        """The event is in the journal now."""
        self._take(event)
        if isinstance(event, record.Intent):
            self._fresh.add((event.point, event.attempt))

    def close(self) -> None:
        """Let the optimiser go."""
        self._search.close()

    def unanswered(self, attempt: AttemptId, now_s: float) -> None:
        """A submission or release of the attempt gave no clear answer: look again, a while later."""
        tries = self._tries[attempt] = self._tries.get(attempt, 0) + 1
        self._fresh.discard(attempt)
        self._not_before_s[attempt] = now_s + min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** (tries - 1))

    def answered(self, attempt: AttemptId, *, fresh: bool) -> None:
        """The attempt's job is known; `fresh`: it was submitted this moment and may be let go without a look."""
        self._not_before_s.pop(attempt, None)
        if fresh:
            self._fresh.add(attempt)

    def tries(self, attempt: AttemptId) -> int:
        """How often the attempt was tried without a clear answer."""
        return self._tries.get(attempt, 0)

    def decide(self, now_s: float, sight: Sight) -> Decision | None:
        """The next thing to do; None where there is nothing until the next look."""
        if self.state.closed is not None:
            return None
        return next(self._decisions(now_s, sight), None)

    def _take(self, event: Event) -> None:
        self.state.apply(event)
        self._search.apply(event)

    def _decisions(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        if self._search.waiting:
            yield from self._ask(now_s)
        yield from self._ends(now_s, sight)
        yield from self._verdicts(now_s)
        yield from self._submissions(now_s, sight)
        yield from self._releases(now_s, sight)
        yield from self._starts(now_s, sight)
        yield from self._early_ends(now_s, sight)
        yield from self._cancels(now_s, sight)
        yield from self._strays(now_s, sight)
        yield from self._halts(now_s, sight)
        yield from self._new_points(now_s)

    # what was seen

    def _ends(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        for attempt_id, finish in sight.finished.items():
            attempt = self.state.live.get(attempt_id)
            if attempt is None:
                continue
            outcome = finish.outcome
            if outcome is AttemptOutcome.WITHDRAWN and attempt.cancel is not None:
                outcome = AttemptOutcome.STOPPED
            self._early.ended(attempt_id, sight.courses.get(attempt_id), whole=outcome is AttemptOutcome.FINE)
            yield Write(_ended(attempt, now_s, finish._replace(outcome=outcome)))
        yield from self._lost(now_s, sight)

    def _lost(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        """Jobs that slurmctld, while it answered, did not know under their name for `lost_after_s`."""
        if sight.queue is None:
            self._unseen_since_s.clear()  # what is not known to be away cannot be counted as away
            return
        for attempt in self.state.live.values():
            if attempt.job_id is None:
                continue
            job = sight.queue.get(attempt.job_id)
            if job is not None and job.name == self.campaign.key(*attempt.id):
                self._unseen_since_s.pop(attempt.id, None)
                continue
            since_s = self._unseen_since_s.setdefault(attempt.id, now_s)
            if now_s - since_s >= self.campaign.failure.lost_after_s:
                reason = f"slurmctld does not know job {attempt.job_id} any more"
                yield Write(_ended(attempt, now_s, Finish(AttemptOutcome.LOST, reason, "", 0.0, "none", {})))

    def _starts(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        for attempt in self.state.live.values():
            job = self._job(attempt, sight)
            if attempt.running is None and job is not None and job.state == "RUNNING":
                started_s = now_s if job.started_s is None else job.started_s
                point, number = attempt.id
                yield Write(
                    record.AttemptRunning(
                        at_s=now_s, point=point, attempt=number, started_s=started_s, node_list=job.node_list
                    )
                )

    # what follows

    def _verdicts(self, now_s: float) -> Iterator[Decision]:
        for point in self.state.untold.values():
            due = follow(self.state, point, now_s)
            if isinstance(due, Tell):
                yield Write(_told(point, now_s, due))
            elif isinstance(due, Again):
                yield from self._again(point, due, now_s)
        if self.state.withdrawn_in_a_row >= WITHDRAWN_PAUSE and self.state.paused is None:
            yield Write(record.Paused(at_s=now_s, reason=f"{WITHDRAWN_PAUSE} jobs in a row were cancelled by someone"))

    def _again(self, point: PointState, due: Again, now_s: float) -> Iterator[Decision]:
        nodes = self.campaign.job.nodes
        lacking = room(self.state, nodes, due.limit_s, now_s)
        hopeless = lacking == "deadline" or (lacking == "node_hours" and not self.state.live)
        if hopeless or (self.state.stopping is not None and self.state.stopping.cancel):
            reason = f"no further attempt: {lacking or 'the campaign was stopped'}"
            yield Write(_told(point, now_s, Tell(PointVerdict.WITHDRAWN, {}, 1.0, reason)))
        elif lacking is None and self.state.paused is None:
            yield Write(_intent(point, now_s, nodes, due.limit_s, due.exclude))

    def _submissions(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        for attempt in self.state.live.values():
            if attempt.job_id is not None or now_s < self._not_before_s.get(attempt.id, 0.0):
                continue
            fresh = attempt.id in self._fresh
            if attempt.cancel is not None or (not fresh and sight.queue is None):
                continue  # without slurmctld's answer nothing is submitted a second time
            yield Submit(attempt, look_first=not fresh)

    def _releases(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        """A job that was submitted a moment ago is let go at once; one from before a crash only once it was seen."""
        for attempt in self.state.live.values():
            if attempt.job_id is None or attempt.released or attempt.cancel is not None:
                continue
            if now_s < self._not_before_s.get(attempt.id, 0.0):
                continue
            if attempt.id in self._fresh or self._job(attempt, sight) is not None:
                yield ReleaseAttempt(attempt)

    # ending runs

    def _early_ends(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        goal = self.campaign.objectives[0]
        for (point, number), judged in self._judged(sight).items():
            attempt = self.state.live.get((point, number))
            if attempt is None or attempt.cancel is not None:
                continue
            yield Write(
                record.Cancel(
                    at_s=now_s,
                    point=point,
                    attempt=number,
                    rule=self.campaign.early_stop.rule,
                    reason=judged.reason,
                    value=goal.minimised(judged.value),
                    saved_low_s=judged.saved_low_s,
                    saved_high_s=judged.saved_high_s,
                )
            )

    def _judged(self, sight: Sight) -> dict[AttemptId, Judgement]:
        """The rule's judgement on this look, made once: several looks must agree, and one look is one."""
        if sight is not self._looked_at:
            self._looked_at, self._lost_runs = sight, {}
            best = self.state.best_value
            if sight.courses and best is not None and self.campaign.early_stop.rule != "none":
                live = self.state.live.values()
                running = [one for one in live if one.running is not None and one.id not in sight.finished]
                self._lost_runs = self._early.judge(running, sight.courses, best)
        return self._lost_runs

    def _cancels(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        stopping = self.state.stopping
        if stopping is not None and stopping.cancel:
            for attempt in self.state.live.values():
                if attempt.cancel is None:
                    yield Write(_cancel(attempt, now_s, "stop", stopping.reason))
        for attempt in self.state.live.values():
            cancel = attempt.cancel
            if cancel is None:
                continue
            if attempt.job_id is None:
                yield from self._cancel_unborn(attempt, now_s, sight)
            elif self._job(attempt, sight) is not None and self._due(attempt.job_id, now_s):
                grace = self.campaign.failure
                early = grace.grace_signal is not None and now_s < cancel.at_s + grace.grace_s and attempt.running
                self._ending[attempt.job_id] = now_s + (grace.grace_s if early else RETRY_FIRST_S)
                yield End((attempt.job_id,), grace.grace_signal if early else None)

    def _cancel_unborn(self, attempt: Attempt, now_s: float, sight: Sight) -> Iterator[Decision]:
        """A submission that must not run any more: what is found of it is a stray; it ends when it cannot come any
        more.
        """
        if sight.queue is None or now_s < attempt.intent.at_s + self.campaign.poll.stray_after_s:
            return
        yield Write(
            _ended(attempt, now_s, Finish(AttemptOutcome.WITHDRAWN, "stopped before it ran", "", 0.0, "none", {}))
        )

    def _due(self, job_id: int, now_s: float) -> bool:
        return now_s >= self._ending.get(job_id, 0.0)

    def _strays(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        """Held jobs of the campaign that the journal does not know: late submissions. Never one that was released."""
        stray = tuple(
            job.job_id
            for job in (sight.queue or {}).values()
            if job.name.startswith(self.campaign.prefix)
            and job.state == "PENDING"
            and job.reason == "JobHeldUser"
            and not self._recorded(job)
            and not self._may_be_adopted(job.name)
            and self._due(job.job_id, now_s)
        )
        if stray:
            self._ending |= dict.fromkeys(stray, now_s + RETRY_FIRST_S)
            yield End(stray)

    def _recorded(self, job: QueuedJob) -> bool:
        """Whether the journal has this job: by id and name, for slurmctld gives a lost job's id to the next one."""
        attempt = self.state.job_ids.get(job.job_id)
        return attempt is not None and self.campaign.key(*attempt) == job.name

    def _may_be_adopted(self, name: str) -> bool:
        return any(
            one.job_id is None and one.cancel is None and self.campaign.key(*one.id) == name
            for one in self.state.live.values()
        )

    # beginning and end

    def _halts(self, now_s: float, sight: Sight) -> Iterator[Decision]:
        state = self.state
        if state.stopping is None:
            why = enough(state, self._search.finished, now_s)
            if why:
                yield Write(record.Stopping(at_s=now_s, reason=why))
            return
        if state.stopping.cancel or (not state.live and self._no_room(now_s)):
            for point in state.untold.values():
                if not point.attempts:
                    yield Write(_told(point, now_s, Tell(PointVerdict.WITHDRAWN, {}, 1.0, state.stopping.reason)))
        if state.live or state.untold or sight.queue is None:
            return
        if state.last_unknown_s is not None and now_s < state.last_unknown_s + self.campaign.poll.stray_after_s:
            return
        yield Write(record.Closed(at_s=now_s, reason=state.stopping.reason))

    def _new_points(self, now_s: float) -> Iterator[Decision]:
        """Jobs for points that were asked for, then further points: no more than can run now."""
        state, job = self.state, self.campaign.job
        if state.paused is not None or (state.stopping is not None and state.stopping.cancel) or self._no_room(now_s):
            return
        for point in state.untold.values():
            if not point.attempts and point.asked.same_as is None:
                yield Write(_intent(point, now_s, job.nodes, job.time_s, excluded(state, now_s)))
        if state.stopping is None:
            yield from self._ask(now_s)

    def _no_room(self, now_s: float) -> bool:
        return room(self.state, self.campaign.job.nodes, self.campaign.job.time_s, now_s) is not None

    def _ask(self, now_s: float) -> Iterator[Decision]:
        asked = self._search.event(self.state, now_s)
        if asked is not None:
            yield Write(asked)

    def _job(self, attempt: Attempt, sight: Sight) -> QueuedJob | None:
        """The attempt's job in the queue, by id and name: an id alone may be a stranger's by now."""
        job = (sight.queue or {}).get(attempt.job_id or 0)
        return job if job is not None and job.name == self.campaign.key(*attempt.id) else None


def _intent(point: PointState, now_s: float, nodes: int, limit_s: float, exclude: tuple[str, ...]) -> record.Intent:
    attempt = len(point.attempts) + 1
    return record.Intent(at_s=now_s, point=point.number, attempt=attempt, nodes=nodes, limit_s=limit_s, exclude=exclude)


def _cancel(attempt: Attempt, now_s: float, rule: str, reason: str) -> record.Cancel:
    return record.Cancel(at_s=now_s, point=attempt.id[0], attempt=attempt.id[1], rule=rule, reason=reason)


def _ended(attempt: Attempt, now_s: float, finish: Finish) -> record.AttemptEnded:
    point, number = attempt.id
    return record.AttemptEnded(
        at_s=now_s, point=point, attempt=number, outcome=finish.outcome, reason=finish.reason,
        node_list=finish.node_list, node_seconds=finish.node_seconds, source=finish.source, values=dict(finish.values),
    )  # fmt: skip


def _told(point: PointState, now_s: float, tell: Tell) -> record.PointTold:
    return record.PointTold(
        at_s=now_s, point=point.number, verdict=tell.verdict, values=tell.values, excess=tell.excess, reason=tell.reason
    )
