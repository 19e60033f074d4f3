"""Keeps triggers, and finds the runs that make some.

Owns the rows of `tables`. Invariants: a key makes one row, ever; a row is changed only from the attempt and state that
whoever changes it has seen, so that a late answer changes nothing. Feeds `runner` and the page of the job.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.tables import runs
from slurmlens.hub.workflows.due import EndedRun
from slurmlens.hub.workflows.tables import marks
from slurmlens.hub.workflows.tables import triggers as table
from slurmlens.hub.workflows.trigger import OPEN, Trigger, TriggerState
from slurmlens.wire.assessment import Assessment, Ticket, read_document, write_document

MOST_RUNS = 1_000
MOST_SHOWN = 200
MOST_LOOKED_AT = 500
"""So many of the latest are looked through for one who may see some of them."""
HOUR_NS = 3600 * NS_PER_S
FAILED_STATES = ("FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL")
FOREVER = 2**63 - 1


class TriggerStore:
    """The triggers of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def since_ns(self, rule: str, now_ns: int) -> int:
        """From when on the rule holds: since it was first asked, or as `mark` says."""

        def work(transaction: Transaction) -> int:
            row = (self._cluster, rule, now_ns)
            transaction.insert_new(marks, ("cluster", "rule", "since_ns"), [row])
            ((since_ns,),) = transaction.find(marks, ("since_ns",), ("cluster", "rule"), [(self._cluster, rule)])
            return int(since_ns)

        return await self._store.write(work)

    async def mark(self, rule: str, since_ns: int) -> None:
        """The rule has looked at everything before."""
        row = {"cluster": self._cluster, "rule": rule, "since_ns": since_ns}
        await self._store.write(lambda transaction: transaction.put(marks, ("cluster", "rule"), [row]))

    async def failed_runs(self, since_ns: int) -> list[EndedRun]:
        """Runs that failed since then, the latest first."""
        found = await self._ended_in(FAILED_STATES, since_ns, FOREVER)
        return sorted(found, key=lambda one: -one.end_ns)[:MOST_RUNS]

    async def ended_runs(self, from_ns: int, to_ns: int) -> list[EndedRun]:
        """Runs that ended between, by the state they ended in."""
        return await self._ended_in(("COMPLETED", *FAILED_STATES), from_ns, to_ns)

    async def _ended_in(self, states: Collection[str], from_ns: int, to_ns: int) -> list[EndedRun]:
        def read(connection: Connection) -> list[EndedRun]:
            found: list[EndedRun] = []
            for state in states:
                within = (runs.c.state == state, runs.c.end_ns >= from_ns, runs.c.end_ns < to_ns)
                query = select(*_RUN_COLUMNS).where(*within, runs.c.cluster == self._cluster)
                found += _ended(connection, query.order_by(runs.c.end_ns.desc()).limit(MOST_RUNS))
            return found

        return await self._store.read(read)

    async def runs_of(self, job_ids: Collection[int]) -> list[EndedRun]:
        """The runs of these jobs that ended."""

        def read(connection: Connection) -> list[EndedRun]:
            found: list[EndedRun] = []
            for piece in pieces_of(sorted(set(job_ids))):
                query = select(*_RUN_COLUMNS).where(runs.c.cluster == self._cluster, runs.c.job_id.in_(piece))
                found += [one for one in _ended(connection, query) if one.end_ns is not None]
            return found

        return await self._store.read(read) if job_ids else []

    async def make(self, tickets: Sequence[Ticket], now_ns: int, most_an_hour: int) -> int:
        """Makes the triggers that are not there yet; those above the limit are left out, and kept as such."""

        def work(transaction: Transaction) -> int:
            keys = [(ticket.key,) for ticket in tickets]
            known = {key for (key,) in transaction.find(table, ("key",), ("key",), keys)}
            fresh = [ticket for ticket in tickets if ticket.key not in known]
            recent = select(func.count()).where(
                table.c.cluster == self._cluster,
                table.c.made_ns > now_ns - HOUR_NS,
                table.c.state != TriggerState.LEFT_OUT.value,
            )
            room = most_an_hour - int(transaction.core.execute(recent).scalar_one()) if fresh else 0
            rows = [
                self._row(_made(ticket, now_ns, most_an_hour, number < room)) for number, ticket in enumerate(fresh)
            ]
            transaction.insert_new(table, _COLUMNS, [tuple(row[name] for name in _COLUMNS) for row in rows])
            return len(fresh)

        return await self._store.write(work) if tickets else 0

    async def due(self, now_ns: int, most: int) -> list[Trigger]:
        """Open ones whose time has come; those that are under way before new ones."""

        def read(connection: Connection) -> list[Trigger]:
            found: list[Trigger] = []
            for state in reversed(OPEN):
                query = select(table).where(
                    table.c.cluster == self._cluster, table.c.state == state.value, table.c.due_ns <= now_ns
                )
                rows = connection.execute(query.order_by(table.c.due_ns).limit(most)).mappings()
                found += map(_trigger, rows)
            return found

        return await self._store.read(read)

    async def under_way(self) -> int:
        """How many have an invocation."""
        query = select(func.count()).where(
            table.c.cluster == self._cluster,
            table.c.state.in_([TriggerState.INVOKED.value, TriggerState.RELEASED.value]),
        )
        return await self._store.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def change(self, seen: Trigger, now: Trigger) -> bool:
        """Writes what became of a trigger; False where it is no longer as it was seen, and then nothing is written."""

        def work(transaction: Transaction) -> bool:
            query = select(table.c.state, table.c.attempt, table.c.invocation).where(table.c.key == seen.ticket.key)
            row = transaction.core.execute(query).first()
            if row is None or tuple(row) != (seen.state.value, seen.attempt, seen.invocation):
                return False
            transaction.change(table, ("key",), [self._row(now)])
            return True

        return await self._store.write(work)

    async def of_run(self, viewer: Viewer, job_id: int, run: int) -> list[Trigger]:
        """The triggers about a run, the latest first; none where the viewer may not see it."""
        joined = table.join(
            runs,
            (runs.c.cluster == table.c.cluster) & (runs.c.job_id == table.c.job_id) & (runs.c.number == table.c.run),
        )
        query = select(table).select_from(joined)
        query = query.where(table.c.cluster == self._cluster, table.c.job_id == job_id, table.c.run == run)
        query = query.where(visible_runs(viewer)).order_by(table.c.made_ns.desc())
        return await self._store.read(
            lambda connection: [_trigger(row) for row in connection.execute(query).mappings()]
        )

    async def latest(self, viewer: Viewer) -> list[Trigger]:
        """The latest triggers about runs that the viewer may see, newest first."""
        newest = select(table).where(table.c.cluster == self._cluster).order_by(table.c.made_ns.desc())
        few = newest.limit(MOST_SHOWN if viewer.sees_all_jobs else MOST_LOOKED_AT).subquery()
        is_it = (runs.c.cluster == few.c.cluster) & (runs.c.job_id == few.c.job_id) & (runs.c.number == few.c.run)
        query = select(few).select_from(few.join(runs, is_it)).where(visible_runs(viewer))
        query = query.order_by(few.c.made_ns.desc()).limit(MOST_SHOWN)
        return await self._store.read(
            lambda connection: [_trigger(row) for row in connection.execute(query).mappings()]
        )

    def _row(self, trigger: Trigger) -> dict[str, Any]:
        ticket = trigger.ticket
        return {
            "key": ticket.key,
            "cluster": self._cluster,
            "rule": ticket.rule,
            "job_id": ticket.job_id,
            "run": ticket.run,
            "made_ns": trigger.made_ns,
            "ticket": write_document(ticket),
            "state": trigger.state.value,
            "attempt": trigger.attempt,
            "begun_ns": trigger.begun_ns,
            "due_ns": trigger.due_ns,
            "invocation": trigger.invocation,
            "problem": trigger.problem,
            "report": None if trigger.report is None else write_document(trigger.report),
        }


_RUN_COLUMNS = tuple(runs.c[name] for name in ("job_id", "number", "submit_s", "user", "start_ns", "end_ns", "cpu_s"))
_COLUMNS = tuple(column.name for column in table.columns)


def _ended(connection: Connection, query: Any) -> list[EndedRun]:
    return [EndedRun(*row) for row in connection.execute(query)]


def _made(ticket: Ticket, now_ns: int, most_an_hour: int, is_within: bool) -> Trigger:
    if is_within:
        return Trigger(ticket=ticket, made_ns=now_ns)
    said = f"more than {most_an_hour} an hour"
    return Trigger(ticket=ticket, made_ns=now_ns, state=TriggerState.LEFT_OUT, problem=said)


def _trigger(row: Any) -> Trigger:
    return Trigger(
        ticket=read_document(row["ticket"], Ticket),
        made_ns=row["made_ns"],
        state=TriggerState(row["state"]),
        attempt=row["attempt"],
        begun_ns=row["begun_ns"],
        due_ns=row["due_ns"],
        invocation=row["invocation"],
        problem=row["problem"],
        report=None if row["report"] is None else read_document(row["report"], Assessment),
    )
