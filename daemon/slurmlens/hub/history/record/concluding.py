"""Makes runs anew in the transaction that stores the facts they follow from.

Owns `runs`, `run_nodes`, the run numbers in `sightings` and the marks in `stale_jobs`. What a job's runs are is pure
(`conclude`); this module reads all that is known of the jobs in four statements, and writes what differs. Invariants: a
job that can't be concluded spoils no other; what did not change is not written; a job of many nodes, whose events come
one by one, is concluded at most so often, and a mark in the database remembers that it is still to be done.
Called by `storing` and `executions` in the writer's thread; `refresh` works off the marks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.change_feed import JOB, Changed, note
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.assignment import Assignment, assign
from slurmlens.hub.history.conclude.executions import as_executions, decode_record, is_over, superseded
from slurmlens.hub.history.conclude.run_rows import run_row, seen_of
from slurmlens.hub.history.facts import BY_THE_SCHEDULERS_SILENCE, ClosedReason
from slurmlens.hub.history.record.numbers import RowNumbers
from slurmlens.slurm.records import JobRecord

LEAST_PAUSE_S = 0.2
MOST_PAUSE_S = 1.0
WIDE_SIGHTINGS = 32
"""A job of fewer sightings is concluded when one of its events comes. Events of a wider one come from many nodes."""

REMEMBERED_JOBS = 20_000

Row = Mapping[str, Any]


class JobKey(NamedTuple):
    """A job id in a cluster."""

    cluster: str
    job_id: int


@dataclass(slots=True)
class Concluded:
    """Jobs whose runs were made anew, those where that failed, and how many were only marked for later."""

    done: list[JobKey] = field(default_factory=list)
    failed: dict[JobKey, Exception] = field(default_factory=dict)
    marked: int = 0


class _Known(NamedTuple):
    """All that is known of one job."""

    records: list[JobRecord]
    sightings: list[dict[str, Any]]
    runs: dict[int, dict[str, Any]]


class _Changes(NamedTuple):
    """What is to be written, collected over all jobs of a transaction."""

    runs: list[dict[str, Any]]
    gone_runs: list[tuple[Any, ...]]
    gone_jobs: list[JobKey]
    listed: list[tuple[Any, ...]]
    unlisted: list[tuple[Any, ...]]
    sightings: list[dict[str, Any]]

    def take(self, others: _Changes) -> None:
        """Adds one job's changes."""
        self.runs.extend(others.runs)
        self.gone_runs.extend(others.gone_runs)
        self.gone_jobs.extend(others.gone_jobs)
        self.listed.extend(others.listed)
        self.unlisted.extend(others.unlisted)
        self.sightings.extend(others.sightings)


class Concluder:
    """Concludes jobs; knows how wide ones were and when they were last concluded. Lives in the writer's thread."""

    def __init__(self, numbers: RowNumbers) -> None:
        self._numbers = numbers
        self._wide: dict[JobKey, tuple[int, int]] = {}

    def conclude_or_mark(self, transaction: Transaction, keys: Iterable[JobKey], now_ns: int) -> Concluded:
        """Concludes the jobs that are due, and marks those that were concluded a moment ago."""
        wanted = set(keys)
        early = {key for key in wanted if self._is_early(key, now_ns)}
        mark_stale(transaction, early)
        concluded = self.conclude(transaction, wanted - early, now_ns)
        concluded.marked = len(early)
        return concluded

    def _is_early(self, key: JobKey, now_ns: int) -> bool:
        if (last := self._wide.get(key)) is None:
            return False
        width, last_ns = last
        pause_s = min(MOST_PAUSE_S, LEAST_PAUSE_S * width / WIDE_SIGHTINGS)
        return 0 <= now_ns - last_ns < pause_s * NS_PER_S

    def conclude(self, transaction: Transaction, keys: Collection[JobKey], now_ns: int) -> Concluded:
        """Makes the runs of these jobs anew."""
        concluded = Concluded()
        changes = _Changes([], [], [], [], [], [])
        for key, known in _read(transaction, keys).items():
            try:
                own = self._conclude(key, known, now_ns)
            except Exception as error:  # whatever is odd about this job, the others must go on
                concluded.failed[key] = error
                continue
            changes.take(own)
            concluded.done.append(key)
            self._remember(key, len(known.sightings), now_ns)
        _write(transaction, changes)
        changed = _changed_jobs(changes)
        mark_uncharged(transaction, changed, now_ns)
        note(transaction, ((key.cluster, Changed(JOB, str(key.job_id))) for key in changed))
        return concluded

    def _remember(self, key: JobKey, width: int, now_ns: int) -> None:
        self._wide.pop(key, None)
        if width >= WIDE_SIGHTINGS:
            self._wide[key] = width, now_ns
            if len(self._wide) > REMEMBERED_JOBS:
                del self._wide[next(iter(self._wide))]

    def _conclude(self, key: JobKey, known: _Known, now_ns: int) -> _Changes:
        assignment = assign([seen_of(row) for row in known.sightings], as_executions(known.records))
        by_submit = {record.submit_s or 0: record for record in known.records}
        changes = _Changes([], [], [], [], [], _assigned(assignment, by_submit, known.sightings, now_ns))
        by_sighting = {(row["node"], row["sighting"]): row for row in known.sightings}
        for run in assignment.runs:
            members = [by_sighting[seen.node, seen.sighting] for seen in run.members]
            record = by_submit[run.execution.submit_s] if run.execution else None
            row = run_row(run, record, members, is_latest=run is assignment.runs[-1])
            self._change_run({**key._asdict(), **row.columns}, row.nodes, known.runs.get(run.number), changes)
        numbers = {run.number for run in assignment.runs}
        for number, old in known.runs.items():
            if number not in numbers:
                changes.gone_runs.append((old["rid"],))
                changes.gone_jobs.append(key)
                changes.unlisted.extend(_list_keys(old, schema.decode_nodes(old["nodes"])))
        return changes

    def _change_run(
        self, columns: dict[str, Any], nodes: tuple[str, ...], old: dict[str, Any] | None, changes: _Changes
    ) -> None:
        rid = self._numbers.next("runs") if old is None else old["rid"]
        new = {"rid": rid, **columns, "nodes": schema.encode_nodes(nodes)}
        if new == old:
            return
        changes.runs.append(new)
        is_moved = old is None or any(old[name] != new[name] for name in ("nodes", "section", "order_ns"))
        if not is_moved:
            return
        before = set() if old is None else set(_list_keys(old, schema.decode_nodes(old["nodes"])))
        after = set(_list_keys(new, nodes))
        changes.listed.extend(after - before)
        changes.unlisted.extend(before - after)


def mark_stale(transaction: Transaction, keys: Collection[JobKey]) -> None:
    """Notes that these jobs' runs are to be made anew."""
    transaction.insert_new(schema.stale_jobs, ("cluster", "job_id"), [tuple(key) for key in keys])


def mark_uncharged(transaction: Transaction, keys: Collection[JobKey], now_ns: int) -> None:
    """Notes that usage is to look at these jobs again. Putting a mark that is there locks it against its removal."""
    rows = [{**key._asdict(), "marked_ns": now_ns} for key in sorted(keys)]
    transaction.put(schema.uncharged_jobs, ("cluster", "job_id"), rows)


def _changed_jobs(changes: _Changes) -> set[JobKey]:
    return {JobKey(run["cluster"], run["job_id"]) for run in changes.runs} | set(changes.gone_jobs)


def _read(transaction: Transaction, keys: Collection[JobKey]) -> dict[JobKey, _Known]:
    """All that is known of these jobs."""
    place = ("cluster", "job_id")
    known = {key: _Known([], [], {}) for key in keys}
    records: dict[JobKey, list[JobRecord]] = {}
    for cluster, job_id, record in transaction.find(schema.executions, (*place, "record"), place, keys):
        records.setdefault(JobKey(cluster, job_id), []).append(decode_record(record))
    for key, own in records.items():
        known[key].records.extend(superseded(own))
    for row in sorted(transaction.find_rows(schema.sightings, place, keys), key=itemgetter("rid")):
        known[JobKey(row["cluster"], row["job_id"])].sightings.append(row)
    for row in transaction.find_rows(schema.runs, place, keys):
        known[JobKey(row["cluster"], row["job_id"])].runs[row["number"]] = row
    return known


def _assigned(
    assignment: Assignment, records: Mapping[int, JobRecord], rows: Sequence[Row], now_ns: int
) -> list[dict[str, Any]]:
    """Each sighting's run, or why it is held and since when; only what changed. `records` are by submit time."""
    runs = {(seen.node, seen.sighting): run for run in assignment.runs for seen in run.members}
    changed = []
    for row in rows:
        sighting = row["node"], row["sighting"]
        held = assignment.held.get(sighting)
        reason = held.value if held else None
        run = runs.get(sighting)
        number = run.number if run else None
        record = records[run.execution.submit_s] if run and run.execution else None
        is_refuted = row["closed_reason"] is not None and _is_refuted(row, number, record)
        if (row["run"], row["held_reason"]) == (number, reason) and not is_refuted:
            continue
        since_ns = (row["held_since_ns"] or now_ns) if held else None
        closed = (None, None) if is_refuted else (row["closed_ns"], row["closed_reason"])
        values = {"run": number, "held_reason": reason, "held_since_ns": since_ns}
        changed.append({"rid": row["rid"], **values, "closed_ns": closed[0], "closed_reason": closed[1]})
    return changed


def _is_refuted(row: Row, number: int | None, record: JobRecord | None) -> bool:
    """Whether a closed sighting is to be judged anew: it is of another run, or the scheduler knows its run after all.

    `number` and `record` are of the run that it belongs to now.
    """
    closed = ClosedReason(row["closed_reason"])
    if closed.holds_for_one_run and row["run"] != number:
        return True
    return closed in BY_THE_SCHEDULERS_SILENCE and record is not None and not is_over(record)


def _list_keys(run: Row, nodes: Iterable[str]) -> list[tuple[Any, ...]]:
    return [(node, run["section"], run["order_ns"], run["rid"]) for node in nodes]


def _write(transaction: Transaction, changes: _Changes) -> None:
    list_key = ("node", "section", "order_ns", "run")
    transaction.take_away(schema.run_nodes, list_key, changes.unlisted)
    transaction.take_away(schema.runs, ("rid",), changes.gone_runs)
    transaction.put(schema.runs, ("rid",), changes.runs)
    transaction.insert_new(schema.run_nodes, list_key, changes.listed)
    transaction.change(schema.sightings, ("rid",), changes.sightings)
