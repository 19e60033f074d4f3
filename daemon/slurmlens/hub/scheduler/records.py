"""Gives the scheduler's records to history, in pieces: an answer of 50,000 jobs keeps no node waiting.

Owns `node_records`, and how large a piece is. Fed by the hub's poller; what a record means for its job is concluded in
the transaction that stores it (`history.record.executions`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, select

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as history_schema
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.concluding import Concluded, Concluder, JobKey
from slurmlens.hub.history.record.executions import ExecutionKey, Executions
from slurmlens.hub.scheduler import tables as schema
from slurmlens.slurm.records import JobRecord, NodeRecord

PIECE = 500
"""Records of one transaction: some 30 ms of the writer's time."""

_encoder = msgspec.json.Encoder()
_node_decoder = msgspec.json.Decoder(NodeRecord)


class SchedulerRecords:
    """What the scheduler says of one cluster."""

    def __init__(self, store: Store, concluder: Concluder, cluster: str, announcer: Announcer) -> None:
        self._store = store
        self._concluder = concluder
        self._executions = Executions(concluder, cluster)
        self._cluster = cluster
        self._announcer = announcer

    async def take(self, records: Iterable[JobRecord], heard_ns: int) -> set[int]:
        """Merges records into what is known; returns the jobs of which something new was said."""
        ordered = sorted(records, key=lambda record: record.job_id)  # a job's records come into one piece, or two
        changed: set[int] = set()
        for piece in pieces_of(ordered, PIECE):
            changed |= await self._write(_taking(self._executions, piece, heard_ns))
        return changed

    async def forget(self, keys: Collection[ExecutionKey], heard_ns: int) -> set[int]:
        """Marks executions as vanished: they are over, and the scheduler does not say how."""
        changed: set[int] = set()
        for piece in pieces_of(keys, PIECE):
            changed |= await self._write(_forgetting(self._executions, piece, heard_ns))
        return changed

    async def touch(self, job_ids: Collection[int], now_ns: int) -> None:
        """Has these jobs' runs made anew, and so published to whoever watches, although nothing new was said."""
        keys = [JobKey(self._cluster, job_id) for job_id in sorted(job_ids)]
        if keys:
            await self._write(lambda transaction: self._concluder.conclude(transaction, keys, now_ns))

    async def _write(self, work: Callable[[Transaction], Concluded]) -> set[int]:
        concluded = await self._store.write(work)
        self._announcer.concluded(concluded)
        return {key.job_id for key in concluded.done} | {key.job_id for key in concluded.failed}

    async def open_executions(self) -> set[ExecutionKey]:
        """Executions that have not ended as far as we know."""
        table = history_schema.executions
        query = select(table.c.job_id, table.c.submit_s).where(table.c.cluster == self._cluster, table.c.is_open == 1)
        return await self._store.read(lambda connection: {ExecutionKey(*row) for row in connection.execute(query)})

    async def take_nodes(self, records: Sequence[NodeRecord]) -> None:
        """Replaces the controller's nodes: their addresses say from where a node may speak."""
        table = schema.node_records
        rows = [
            {"cluster": self._cluster, "node": name, "record": _encoder.encode(record)}
            for name, record in {record.name: record for record in records}.items()
        ]

        def work(transaction: Transaction) -> None:
            transaction.take_away(table, ("cluster",), [(self._cluster,)])
            transaction.put(table, ("cluster", "node"), rows)

        await self._store.write(work)

    async def nodes(self) -> Mapping[str, NodeRecord]:
        """The controller's nodes by name, as it last gave them."""
        table = schema.node_records
        query = select(table.c.node, table.c.record).where(table.c.cluster == self._cluster)

        def question(connection: Connection) -> dict[str, NodeRecord]:
            return {name: _node_decoder.decode(record) for name, record in connection.execute(query)}

        return await self._store.read(question)


def _taking(executions: Executions, piece: list[JobRecord], heard_ns: int) -> Callable[[Transaction], Concluded]:
    return lambda transaction: executions.take(transaction, piece, heard_ns)


def _forgetting(executions: Executions, piece: list[ExecutionKey], heard_ns: int) -> Callable[[Transaction], Concluded]:
    return lambda transaction: executions.forget(transaction, piece, heard_ns)
