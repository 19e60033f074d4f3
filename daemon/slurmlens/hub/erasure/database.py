"""A user's rows in the hub's database: taken away where they are his alone, renamed where sums must stay right.

Owns the list of both (`TAKEN`, `RENAMED`) and the order. What history is concluded from (the scheduler's records, who
told what) is renamed as well, so that a job that is concluded anew does not bring the name back. Bodies as sent go
where their profiles were packed; `bodies_left` says how many were not yet. It goes through whole tables: for a hub that
is stopped. Called by `cli.commands.erase`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Table, and_, delete, or_, select, update

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.history.conclude.executions import decode_record
from slurmlens.hub.history.conclude.tellers import Teller, Tellers, decode_tellers, encode_tellers
from slurmlens.hub.history.record.packing import PACKED
from slurmlens.hub.inventory.entities import EXISTS

TAKEN = (
    ("login_tokens", "user"),
    ("account_people", "user"),
    ("notice_wishes", "user"),
    ("notices", "user"),
    ("campaigns", "user"),
    ("investigations", "owner"),
)
"""Rows that are the user's alone."""

RENAMED = (
    ("runs", "user"),
    ("usage_runs", "user"),
    ("usage_hours", "user"),
    ("usage_days", "user"),
    ("usage_habits", "user"),
    ("usage_bursts", "user"),
    ("looks", "who"),
    ("looks", "owner"),
    ("finding_words", "who"),
    ("finding_words", "undone_by"),
)
OF_JOBS = ("progress_tasks", "progress_messages", "workflow_triggers", "controller_events", "job_wishes")
"""Rows that hold what the user's jobs told, by job."""
AS_ENTITY = (
    ("findings", "subject_kind", "subject_name"),
    ("finding_words", "subject_kind", "subject_name"),
    ("inventory_relations", "kind", "name"),
    ("inventory_relations", "other_kind", "other_name"),
    ("inventory_facts", "kind", "name"),
    ("inventory_tellings", "subject_kind", "subject_name"),
    ("change_feed", "kind", "name"),
    ("usage_waits", "dimension", "name"),
)
"""Columns that name an entity, which may be the user."""
AT_ONCE = 500
_encoder = msgspec.json.Encoder()


class Erased(NamedTuple):
    """What was done: the user's jobs, rows changed or taken away by table, bodies that are not packed yet."""

    jobs: frozenset[int]
    rows: dict[str, int]
    bodies_left: int


def erase(transaction: Transaction, user: str, pseudonym: str) -> Erased:
    """All that is held of a user, of every cluster in this database."""
    rows: dict[str, int] = {}
    jobs = _jobs(transaction, user)
    for name, count in _steps(transaction, user, pseudonym, jobs):
        rows[name] = rows.get(name, 0) + count
    _, left = _bodies(transaction, jobs, user, take=False)
    return Erased(frozenset(job_id for _, job_id in jobs), {name: count for name, count in rows.items() if count}, left)


def _steps(
    transaction: Transaction, user: str, pseudonym: str, jobs: Collection[tuple[str, int]]
) -> Iterator[tuple[str, int]]:
    core = transaction.core
    yield "batches", _bodies(transaction, jobs, user, take=True)[0]
    yield "mail_queue", _mails(transaction, user)
    yield "findings", _claims(transaction, user, pseudonym)
    yield "executions", _records(transaction, jobs, user, pseudonym)
    yield "sightings", _identities(transaction, jobs, user, pseudonym)
    runs, usage = _table("runs"), _table("usage_runs")
    core.execute(update(runs).where(runs.c.user == user).values(name=None))
    core.execute(update(usage).where(usage.c.user == user).values(job_type=""))
    yield "usage_job_types", _job_types(transaction, user, pseudonym)
    for name in OF_JOBS:
        yield name, sum(_take(transaction, name, part) for part in _parts(jobs))
    facts, relations = _table("inventory_facts"), _table("inventory_relations")
    his = and_(facts.c.kind == "user", facts.c.name == user)
    yield "inventory_facts", core.execute(delete(facts).where(his, facts.c.attribute != EXISTS)).rowcount
    for table in (facts, relations):
        his_campaigns = and_(table.c.kind == "campaign", table.c.name.startswith(f"{user}/", autoescape=True))
        yield table.name, core.execute(delete(table).where(his_campaigns)).rowcount
    for name, column in TAKEN:
        yield name, core.execute(delete(_table(name)).where(_table(name).c[column] == user)).rowcount
    for name, column in RENAMED:
        table = _table(name)
        yield name, core.execute(update(table).where(table.c[column] == user).values({column: pseudonym})).rowcount
    for name, kind, column in AS_ENTITY:
        table = _table(name)
        his = and_(table.c[kind] == "user", table.c[column] == user)
        yield name, core.execute(update(table).where(his).values({column: pseudonym})).rowcount


def _table(name: str) -> Table:
    return metadata.tables[name]


def _jobs(transaction: Transaction, user: str) -> list[tuple[str, int]]:
    runs = _table("runs")
    query = select(runs.c.cluster, runs.c.job_id).where(runs.c.user == user).distinct()
    return [(cluster, job_id) for cluster, job_id in transaction.core.execute(query)]


def _parts(keys: Collection[Any]) -> Iterator[list[Any]]:
    listed = list(keys)
    for begin in range(0, len(listed), AT_ONCE):
        yield listed[begin : begin + AT_ONCE]


def _take(transaction: Transaction, name: str, jobs: Collection[tuple[str, int]]) -> int:
    table = _table(name)
    ours = or_(*(and_(table.c.cluster == cluster, table.c.job_id == job_id) for cluster, job_id in jobs))
    return int(transaction.core.execute(delete(table).where(ours)).rowcount)


def _records(transaction: Transaction, jobs: Collection[tuple[str, int]], user: str, pseudonym: str) -> int:
    key, changed = ("cluster", "job_id", "submit_s"), 0
    for part in _parts(jobs):
        rows = []
        found = transaction.find(_table("executions"), (*key, "record"), ("cluster", "job_id"), part)
        for cluster, job_id, submit_s, blob in found:
            record = decode_record(blob)
            if record.user != user:
                continue
            steps = tuple(msgspec.structs.replace(step, name=None) for step in record.steps)
            hidden = msgspec.structs.replace(
                record, user=pseudonym, user_id=None, name=None, cancelled_by=None, reason_text=None, steps=steps
            )
            place = {"cluster": cluster, "job_id": job_id, "submit_s": submit_s}
            rows.append({**place, "record": _encoder.encode(hidden)})
        transaction.change(_table("executions"), key, rows)
        changed += len(rows)
    return changed


def _identities(transaction: Transaction, jobs: Collection[tuple[str, int]], user: str, pseudonym: str) -> int:
    changed = 0
    for part in _parts(jobs):
        rows = []
        for rid, blob in transaction.find(_table("sightings"), ("rid", "tellers"), ("cluster", "job_id"), part):
            told = decode_tellers(blob)
            if any(one.job.user_name == user for one in (told.start, told.summary, told.end) if one):
                hidden = Tellers(*(_hidden(one, pseudonym) for one in (told.start, told.summary, told.end)))
                rows.append({"rid": rid, "tellers": encode_tellers(hidden)})
        transaction.change(_table("sightings"), ("rid",), rows)
        changed += len(rows)
    return changed


def _hidden(told: Teller | None, pseudonym: str) -> Teller | None:
    if told is None or told.job.user_name is None:
        return told
    job = msgspec.structs.replace(told.job, user_name=pseudonym, user_id=None, job_name=None)
    return Teller(told.boottime_ns, told.id, job)


def _job_types(transaction: Transaction, user: str, pseudonym: str) -> int:
    """His kinds of jobs become one without a name, as they are in the ledger."""
    table = _table("usage_job_types")
    key = ("cluster", "width_s", "begin_s", "job_type", "size_class", "user")
    kept = tuple(column.name for column in table.columns if column.name not in ("job_type", "user"))
    found = transaction.find(table, kept, ("user",), [(user,)])
    transaction.take_away(table, ("user",), [(user,)])
    transaction.add(table, (*kept, "job_type", "user"), key, [(*row, "", pseudonym) for row in found])
    return len(found)


def _claims(transaction: Transaction, user: str, pseudonym: str) -> int:
    """The name as a word in what findings say; where it stands in none of them nothing is touched."""
    table = _table("findings")
    word = re.compile(rf"(?<![\w.-]){re.escape(user)}(?![\w-])")
    rows = []
    for number, blob in transaction.core.execute(select(table.c.number, table.c.claim)):
        text = bytes(blob).decode()
        if (hidden := word.sub(pseudonym, text)) != text:
            rows.append({"number": number, "claim": hidden.encode()})
    transaction.change(table, ("number",), rows)
    return len(rows)


def _mails(transaction: Transaction, user: str) -> int:
    """Mails to an address that the user gave for his notices."""
    wishes, mails = _table("notice_wishes"), _table("mail_queue")
    told = transaction.core.execute(select(wishes.c.address).where(wishes.c.user == user))
    addresses = {address for (address,) in told if address}
    gone = []
    for number, blob in transaction.core.execute(select(mails.c.id, mails.c.message)) if addresses else ():
        if msgspec.json.decode(blob).get("to") in addresses:
            gone.append((number,))
    transaction.take_away(mails, ("id",), gone)
    return len(gone)


def _bodies(transaction: Transaction, jobs: Collection[tuple[str, int]], user: str, *, take: bool) -> tuple[int, int]:
    """Bodies with events of the user's jobs: how many were taken away, and how many are not packed yet."""
    core, marks = transaction.core, _table("marks")
    packed = core.execute(select(marks.c.value).where(marks.c.name == PACKED)).scalar() or 0
    rids = [
        row[0]
        for part in _parts(jobs)
        for row in transaction.find(_table("sightings"), ("rid",), ("cluster", "job_id"), part)
    ]
    found: set[int] = set()
    for part in _parts([(rid,) for rid in rids]):
        found |= {row[0] for row in transaction.find(_table("events"), ("batch",), ("sighting",), part)}
    there = {
        row[0]
        for part in _parts([(one,) for one in sorted(found)])
        for row in transaction.find(_table("batches"), ("id",), ("id",), part)
    }
    gone = [(one,) for one in there if one <= packed]
    if take:
        transaction.take_away(_table("batches"), ("id",), gone)
    return len(gone), len(there) - len(gone)
