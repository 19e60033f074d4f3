"""What jobs told of themselves, and how much each may tell: the rules behind the socket, sans-IO.

Owns one account a job: a bucket of messages and one of events, the latest word of each of its tasks, the names of its
values. Invariants: an account's size and rate are bounded whatever its job says; jobs share nothing but the number of
accounts; what one task said again before it was sent is said once, with its latest word. Fed by `stage`, which asks
every few seconds what is to be sent.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from slurmlens.clock import NS_PER_S, Moment
from slurmlens.config.app_socket import AppSocketConfig
from slurmlens.errors import RefusedError
from slurmlens.events import TaskProgress
from slurmlens.wire.app_message import AppMessage, ToldEvent, ToldProgress, ToldStep

NO_STEP = "extern"
"""Where a process directly in the job's folder is counted: Slurm puts what belongs to no step there."""

MAX_ACCOUNTS = 4096
KEPT_S = 600.0
"""How long the account of a job that says nothing is kept: it holds the words that are known already."""

MINUTE_S = 60.0


class ToldMessage(NamedTuple):
    """One event of a job, to be sent."""

    step: str
    rank: int | None
    at: Moment
    text: str


class SpeakingJob(NamedTuple):
    """The run of a job that speaks: its sighting and slot as of then. It may have ended when its last word is sent."""

    sighting: str
    slot: int | None


class JobNews(NamedTuple):
    """What is new of one job since it was last asked for; `job` is None where the registry did not know it yet."""

    job_id: int
    job: SpeakingJob | None
    tasks: tuple[TaskProgress, ...]
    messages: tuple[ToldMessage, ...]


@dataclass(slots=True)
class TokenBucket:
    """So many at once, so many a second."""

    rate_per_s: float
    burst: float
    tokens: float
    filled_ns: int

    def take(self, now_ns: int) -> bool:
        """Whether one more may go now."""
        grown = max(0, now_ns - self.filled_ns) / NS_PER_S * self.rate_per_s
        self.tokens = min(self.burst, self.tokens + grown)
        self.filled_ns = max(now_ns, self.filled_ns)
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


@dataclass(slots=True)
class _Account:
    """One job's."""

    messages: TokenBucket
    events: TokenBucket
    heard_ns: int
    job: SpeakingJob | None = None
    tasks: dict[tuple[str, int | None], TaskProgress] = field(default_factory=dict)
    unsent: set[tuple[str, int | None]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    told: deque[ToldMessage] = field(default_factory=deque)


class JobAccounts:
    """The accounts of all jobs of a node."""

    def __init__(self, limits: AppSocketConfig) -> None:
        self._limits = limits
        self._jobs: dict[int, _Account] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def take(
        self, job_id: int, step: str | None, message: AppMessage, at: Moment, job: SpeakingJob | None = None
    ) -> None:
        """Keep what a process of this job said (a hook's word about a step is the registry's).

        RefusedError with the reason `claim`, `rate`, `names` or `tasks`.
        """
        account = self._account(job_id, at.boottime_ns)
        account.job = job or account.job
        account.heard_ns = at.boottime_ns
        if not account.messages.take(at.boottime_ns):
            raise RefusedError("more messages than a job may send", reason="rate")
        if message.claimed_job is not None and message.claimed_job != job_id:
            raise RefusedError(f"it says that it is job {message.claimed_job}", reason="claim")
        where = step or NO_STEP
        if isinstance(message.told, ToldEvent):
            if not account.events.take(at.boottime_ns):
                raise RefusedError("more events than a job may send", reason="rate")
            account.told.append(ToldMessage(where, message.rank, at, message.told.text))
        elif not isinstance(message.told, ToldStep):
            self._keep(account, where, message.rank, message.told, at)

    def _keep(self, account: _Account, step: str, rank: int | None, told: ToldProgress, at: Moment) -> None:
        fresh = told.values.keys() - account.names
        if fresh and len(account.names) + len(fresh) > self._limits.names:
            raise RefusedError("more names of values than a job may use", reason="names")
        key = (step, rank)
        if key not in account.tasks and len(account.tasks) >= self._limits.tasks:
            raise RefusedError("more tasks than are followed of a job on a node", reason="tasks")
        account.names |= fresh
        account.unsent.add(key)
        account.tasks[key] = TaskProgress(
            step=step, rank=rank, time_ns=at.wall_ns, done=told.done, total=told.total, values=told.values
        )

    def news(self, now_ns: int) -> list[JobNews]:
        """What is to be sent now; accounts of jobs that have been silent for long go."""
        news = [
            JobNews(
                job_id,
                account.job,
                tuple(account.tasks[key] for key in sorted(account.unsent, key=str)),
                tuple(account.told),
            )
            for job_id, account in self._jobs.items()
            if account.unsent or account.told
        ]
        for account in self._jobs.values():
            account.unsent.clear()
            account.told.clear()
        self._jobs = {
            job_id: account for job_id, account in self._jobs.items() if now_ns - account.heard_ns < KEPT_S * NS_PER_S
        }
        return news

    def _account(self, job_id: int, now_ns: int) -> _Account:
        account = self._jobs.get(job_id)
        if account is None:
            if len(self._jobs) >= MAX_ACCOUNTS:
                raise RefusedError("more jobs than are followed on a node", reason="tasks")
            rate, events = self._limits.messages_per_s, self._limits.events_per_minute
            account = self._jobs[job_id] = _Account(
                TokenBucket(rate, 2.0 * rate, 2.0 * rate, now_ns),
                TokenBucket(events / MINUTE_S, events, events, now_ns),
                now_ns,
            )
        return account
