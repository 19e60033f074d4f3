"""Which jobs accounting is to be asked about, and when: sans-IO, told the time.

Owns the debounce after news (so that many become one question), the tries after an answer that was not in full (ever
more seldom, for slurmdbd learns of things a little later than nodes do) and when a job is given up. Used by `poller`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.conclude.executions import is_partial
from slurmlens.slurm.records import JobRecord, JobState

DEBOUNCE_S = 1.5
TRIES = 6
STEP_TRIES = 11
"""How often accounting is asked about a run that is over while some of its steps are not: for about half an hour."""


@dataclass(slots=True)
class DueJob:
    """A job that accounting is to be asked about; times are monotonic."""

    at_ns: int
    has_ended: bool
    tries: int = 0


class DueJobs:
    """All of them, by job id."""

    def __init__(self) -> None:
        self._due: dict[int, DueJob] = {}

    def __len__(self) -> int:
        return len(self._due)

    @property
    def first_ns(self) -> int | None:
        """When the first is due; None where none is."""
        return min((due.at_ns for due in self._due.values()), default=None)

    def news_of(self, job_ids: Iterable[int], now_ns: int, *, ended: bool) -> None:
        """These jobs began or ended."""
        at_ns = now_ns + round(DEBOUNCE_S * NS_PER_S)
        for job_id in job_ids:
            known = self._due.get(job_id)
            if known is None or known.tries or (ended and not known.has_ended):
                self._due[job_id] = DueJob(min(at_ns, known.at_ns) if known else at_ns, ended)

    def at(self, now_ns: int) -> dict[int, DueJob]:
        """Those to be asked about now."""
        return {job_id: due for job_id, due in self._due.items() if due.at_ns <= now_ns}

    def settle(self, asked: Mapping[int, DueJob], records: Iterable[JobRecord], now_ns: int) -> set[int]:
        """Strikes off what was answered in full; the rest is due again later, and given up in the end.

        Returns what was given up. News that came since `asked` was taken stays.
        """
        answers = list(records)
        told = {record.job_id for record in answers if not is_partial(record)}
        running = {record.job_id for record in answers if record.state is JobState.RUNNING}
        unfinished = {record.job_id for record in answers if _has_open_steps(record)}
        given_up: set[int] = set()
        for job_id, due in asked.items():
            if self._due.get(job_id) is not due:
                continue
            is_settled = job_id in told and not (due.has_ended and job_id in running)
            if is_settled and job_id not in unfinished:
                del self._due[job_id]
            elif due.tries + 1 >= (STEP_TRIES if is_settled else TRIES):
                del self._due[job_id]
                given_up.add(job_id)
            else:
                wait_s = DEBOUNCE_S * 2.0 ** (due.tries + 1)
                self._due[job_id] = DueJob(now_ns + round(wait_s * NS_PER_S), due.has_ended, due.tries + 1)
        return given_up


def _has_open_steps(record: JobRecord) -> bool:
    """Whether a run is over, and accounting has not heard of the end of all its steps: it hears of them one by one."""
    open_states = (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED)
    return record.state.has_ended and any(step.state in open_states for step in record.steps)
