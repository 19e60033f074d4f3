"""Keeps what nodes sent of progress, in the transaction that stores the rest of their requests.

Owns the rows of `progress_tasks` and `progress_messages`. Invariants: a report that came before, or too late, changes
nothing; a sighting has at most `MOST_TASKS` tasks and `MOST_MESSAGES` events, the newest of these; a task is one row
however often it speaks. Called by history's `storing` in the writer's thread, which is handed `keep` by the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from slurmlens.events import JobMessage, JobProgress, TaskProgress
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.history.record.storing import Keeper
from slurmlens.hub.progress import tables as schema
from slurmlens.hub.progress.course import MOST_VALUES, ProgressSample, begun, decode_course, encode_course, grown

MOST_TASKS = 1024
MOST_MESSAGES = 200

_PLACE = ("cluster", "node", "sighting")
_TASK = (*_PLACE, "step", "rank")
_encoder = msgspec.json.Encoder()


class _TaskKey(NamedTuple):
    """A row of `progress_tasks`."""

    cluster: str
    node: str
    sighting: str
    step: str
    rank: int


def keep(transaction: Transaction, told: Sequence[JobProgress | JobMessage]) -> set[str]:
    """Keeps these events; the ids of those that told something new."""
    progress = [event for event in told if isinstance(event, JobProgress)]
    messages = [event for event in told if isinstance(event, JobMessage)]
    return _keep_progress(transaction, progress) | _keep_messages(transaction, messages)


def _keep_progress(transaction: Transaction, told: Sequence[JobProgress]) -> set[str]:
    if not told:
        return set()
    places = {(event.cluster, event.node, event.sighting) for event in told}
    rows = {_TaskKey(*(row[name] for name in _TASK)): row for row in _rows(transaction, places)}
    counts: dict[tuple[str, ...], int] = {}
    for key in rows:
        counts[key[:3]] = counts.get(key[:3], 0) + 1
    changed: dict[_TaskKey, dict[str, Any]] = {}
    new: set[str] = set()
    for event in told:
        for task in event.tasks:
            rank = schema.UNTOLD_RANK if task.rank is None else task.rank
            key = _TaskKey(event.cluster, event.node, event.sighting, task.step, rank)
            known = rows.get(key)
            if known is None:
                counts[key[:3]] = counts.get(key[:3], 0) + 1
                if counts[key[:3]] > MOST_TASKS:
                    continue
            row = _told(key, event.job_id, task, known)
            if row is not None:
                rows[key] = changed[key] = row
                new.add(event.id)
    transaction.put(schema.progress_tasks, _TASK, list(changed.values()))
    return new


def _rows(transaction: Transaction, places: set[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return transaction.find_rows(schema.progress_tasks, _PLACE, places)


def _told(key: _TaskKey, job_id: int, task: TaskProgress, known: dict[str, Any] | None) -> dict[str, Any] | None:
    """The row with what the task told; None where that is not newer."""
    charted = {name: task.values[name] for name in sorted(task.values)[:MOST_VALUES]}
    sample = ProgressSample(task.time_ns, task.done, task.total, charted)
    if known is None:
        course = begun(sample)
    elif task.time_ns <= known["told_ns"]:
        return None
    else:
        course = grown(decode_course(known["course"]), sample)
    values = _encoder.encode(task.values)
    return {
        **key._asdict(),
        "job_id": job_id,
        "told_ns": task.time_ns,
        "named_values": values,
        "course": encode_course(course),
    }


def _keep_messages(transaction: Transaction, told: Sequence[JobMessage]) -> set[str]:
    if not told:
        return set()
    table, columns = schema.progress_messages, [column.name for column in schema.progress_messages.columns]
    keys = [(event.cluster, event.node, event.sighting, event.id) for event in told]
    known = {key[3] for key in transaction.find(table, columns[:4], (*_PLACE, "id"), keys)}
    transaction.insert_new(table, columns, [_message_row(event) for event in told if event.id not in known])
    for place in {key[:3] for key in keys}:
        own = sorted(transaction.find(table, ("time_ns", "id"), _PLACE, [place]), reverse=True)
        transaction.take_away(table, (*_PLACE, "id"), [(*place, row[1]) for row in own[MOST_MESSAGES:]])
    return {event.id for event in told} - known


def _message_row(event: JobMessage) -> tuple[Any, ...]:
    rank = schema.UNTOLD_RANK if event.rank is None else event.rank
    place = event.cluster, event.node, event.sighting
    return *place, event.id, event.job_id, event.time_ns, event.step, rank, event.text


KEEPER = Keeper((JobProgress, JobMessage), keep)
