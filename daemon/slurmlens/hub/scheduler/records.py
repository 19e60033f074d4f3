"""Takes the scheduler's records into history.

Owns `executions` and `node_records`: each answer is merged into what is known, written only where it tells something
new, and the jobs it concerns are marked stale in the same transaction. Fed by the hub's poller; `refresh` works off the
marks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.statements import chunks, mark_stale
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.conclude.executions import is_over, merge_records, vanished
from slurmlens.slurm.records import JobRecord, NodeRecord

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(JobRecord)
_node_decoder = msgspec.json.Decoder(NodeRecord)


class ExecutionKey(NamedTuple):
    """One execution: slurmdbd's own key."""

    job_id: int
    submit_s: int


class Recorder:
    """The write side of history for what the scheduler says of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def take(self, records: Iterable[JobRecord], heard_ns: int) -> set[int]:
        """Merges records into what is known; returns the jobs of which something new was told.

        A record without a submit time can't be told from the job's other runs and is passed over.
        """
        told: dict[ExecutionKey, list[JobRecord]] = {}
        for record in records:
            if record.submit_s is not None:
                told.setdefault(ExecutionKey(record.job_id, record.submit_s), []).append(record)
        async with self._store.write() as connection:
            known = await self._known(connection, {key.job_id for key in told})
            changed: dict[ExecutionKey, JobRecord] = {}
            for key, answers in told.items():
                merged = known.get(key)
                for answer in answers:
                    merged = merge_records(merged, answer)
                if merged is not None and merged != known.get(key):
                    changed[key] = merged
            await self._put(connection, changed, heard_ns)
        return {key.job_id for key in changed}

    async def open_executions(self) -> set[ExecutionKey]:
        """Executions that have not ended as far as we know."""
        table = schema.executions
        query = select(table.c.job_id, table.c.submit_s).where(table.c.cluster == self._cluster, table.c.is_open == 1)
        async with self._store.read() as connection:
            return {ExecutionKey(*row) for row in await connection.execute(query)}

    async def forget(self, keys: Collection[ExecutionKey], heard_ns: int) -> set[int]:
        """Marks executions as vanished: they are over, and the scheduler does not say how."""
        async with self._store.write() as connection:
            known = await self._known(connection, {key.job_id for key in keys})
            gone = {key: vanished(known[key]) for key in keys if key in known and not is_over(known[key])}
            await self._put(connection, gone, heard_ns)
        return {key.job_id for key in gone}

    async def touch(self, job_ids: Collection[int]) -> None:
        """Has these jobs' runs made anew, and so told to whoever watches, although nothing new was told."""
        async with self._store.write() as connection:
            for job_id in sorted(job_ids):
                await mark_stale(connection, self._store.upsert, self._cluster, job_id)

    async def take_nodes(self, records: Sequence[NodeRecord]) -> None:
        """Replaces the controller's nodes: their addresses say from where a node may speak."""
        table = schema.node_records
        rows = [
            {"cluster": self._cluster, "node": name, "record": _encoder.encode(record)}
            for name, record in {record.name: record for record in records}.items()
        ]
        async with self._store.write() as connection:
            await connection.execute(delete(table).where(table.c.cluster == self._cluster))
            if rows:
                await connection.execute(insert(table), rows)

    async def nodes(self) -> Mapping[str, NodeRecord]:
        """The controller's nodes by name, as last told."""
        table = schema.node_records
        query = select(table.c.node, table.c.record).where(table.c.cluster == self._cluster)
        async with self._store.read() as connection:
            return {name: _node_decoder.decode(record) for name, record in await connection.execute(query)}

    async def _known(self, connection: AsyncConnection, job_ids: Collection[int]) -> dict[ExecutionKey, JobRecord]:
        table = schema.executions
        known: dict[ExecutionKey, JobRecord] = {}
        for chunk in chunks(job_ids):
            query = select(table.c.job_id, table.c.submit_s, table.c.record).where(
                and_(table.c.cluster == self._cluster, table.c.job_id.in_(chunk))
            )
            for job_id, submit_s, record in await connection.execute(query):
                known[ExecutionKey(job_id, submit_s)] = _decoder.decode(record)
        return known

    async def _put(self, connection: AsyncConnection, changed: Mapping[ExecutionKey, JobRecord], heard_ns: int) -> None:
        for key, record in changed.items():
            values = {"heard_ns": heard_ns, "is_open": int(not is_over(record)), "record": _encoder.encode(record)}
            keyed = {"cluster": self._cluster, "job_id": key.job_id, "submit_s": key.submit_s}
            statement = self._store.upsert(schema.executions).values(keyed | values)
            await connection.execute(statement.on_conflict_do_update(index_elements=list(keyed), set_=values))
        for job_id in sorted({key.job_id for key in changed}):
            await mark_stale(connection, self._store.upsert, self._cluster, job_id)
