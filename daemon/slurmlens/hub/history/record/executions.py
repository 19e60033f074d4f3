"""Takes the scheduler's records into history and concludes their jobs, in bulk.

Owns the table `executions`: each record is merged into what is known and written only where it says something new.
Fed by the hub's `scheduler` in pieces that are small enough not to keep nodes waiting; runs in the writer's thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.executions import decode_record, is_over, merge_records, vanished
from slurmlens.hub.history.record.concluding import Concluded, Concluder, JobKey, mark_uncharged
from slurmlens.slurm.records import JobRecord

_encoder = msgspec.json.Encoder()


class ExecutionKey(NamedTuple):
    """One execution: slurmdbd's own key."""

    job_id: int
    submit_s: int


class Executions:
    """The write side of history for what the scheduler says of one cluster."""

    def __init__(self, concluder: Concluder, cluster: str) -> None:
        self._concluder = concluder
        self._cluster = cluster

    def take(self, transaction: Transaction, records: Iterable[JobRecord], heard_ns: int) -> Concluded:
        """Merges records into what is known; concluded are the jobs of which something new was said.

        A record without a submit time can't be distinguished from the job's other runs and is passed over.
        """
        told: dict[ExecutionKey, list[JobRecord]] = {}
        for record in records:
            if record.submit_s is not None:
                told.setdefault(ExecutionKey(record.job_id, record.submit_s), []).append(record)
        known = self._known(transaction, told)
        changed: dict[ExecutionKey, JobRecord] = {}
        for key, answers in told.items():
            merged = known.get(key)
            for answer in answers:
                merged = merge_records(merged, answer)
            if merged is not None and merged != known.get(key):
                changed[key] = merged
        return self._put(transaction, changed, heard_ns)

    def forget(self, transaction: Transaction, keys: Collection[ExecutionKey], heard_ns: int) -> Concluded:
        """Marks executions as vanished: they are over, and the scheduler does not say how."""
        known = self._known(transaction, keys)
        gone = {key: vanished(known[key]) for key in keys if key in known and not is_over(known[key])}
        return self._put(transaction, gone, heard_ns)

    def _known(self, transaction: Transaction, keys: Iterable[ExecutionKey]) -> dict[ExecutionKey, JobRecord]:
        key_columns = ("cluster", "job_id", "submit_s")
        found = transaction.find(
            schema.executions, ("job_id", "submit_s", "record"), key_columns, ((self._cluster, *key) for key in keys)
        )
        return {ExecutionKey(job_id, submit_s): decode_record(record) for job_id, submit_s, record in found}

    def _put(self, transaction: Transaction, changed: Mapping[ExecutionKey, JobRecord], heard_ns: int) -> Concluded:
        rows = [
            {
                "cluster": self._cluster,
                **key._asdict(),
                "heard_ns": heard_ns,
                "is_open": int(not is_over(record)),
                "record": _encoder.encode(record),
            }
            for key, record in changed.items()
        ]
        transaction.put(schema.executions, ("cluster", "job_id", "submit_s"), rows)
        jobs = {JobKey(self._cluster, key.job_id) for key in changed}
        mark_uncharged(transaction, jobs, heard_ns)
        return self._concluder.conclude(transaction, jobs, heard_ns) if jobs else Concluded()
