"""What the poller wants to know of a whole queue, worked out in one go: pure.

Owns which times of a record are impossible at the moment of the answer. Made in a thread, for a queue of 50,000 jobs is
some tenths of a second of work, which the event loop shall not wait for. Fed by `poller` with an answer; feeds it.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from slurmlens.hub.history.record.executions import ExecutionKey
from slurmlens.slurm.records import Decoded, JobRecord

MAX_AHEAD_S = 86_400
"""How far a job's start or end may lie ahead of the hub's clock: what a wrong clock of the controller's may explain."""

_HAPPENED = ("submit_s", "start_s", "end_s")


class QueueDigest(NamedTuple):
    """`answer` without times that cannot be; the executions that it lists, and the jobs of those that have ended."""

    answer: Decoded[JobRecord]
    listed: frozenset[ExecutionKey]
    ended: frozenset[int]


def plausible(answer: Decoded[JobRecord], now_s: float) -> Decoded[JobRecord]:
    """The answer, with times of things that have happened in the far future not known, and counted."""
    latest_s = now_s + MAX_AHEAD_S
    unknown = Counter(answer.unknown)
    records: list[JobRecord] = []
    for record in answer.records:
        wrong = [name for name in _HAPPENED if (getattr(record, name) or 0) > latest_s]
        unknown.update(wrong)
        records.append(msgspec.structs.replace(record, **dict.fromkeys(wrong)) if wrong else record)
    return Decoded(tuple(records), answer.refused, unknown)


def digest(answer: Decoded[JobRecord], now_s: float) -> QueueDigest:
    """What the queue comes to, at the hub's time."""
    answer = plausible(answer, now_s)
    return QueueDigest(
        answer,
        frozenset(ExecutionKey(record.job_id, record.submit_s or 0) for record in answer.records),
        frozenset(record.job_id for record in answer.records if record.state.has_ended),
    )
