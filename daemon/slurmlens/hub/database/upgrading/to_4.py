"""To version 4: the schema in which bodies are kept as nodes sent them.

Makes it in an empty database, and in one of versions 1 to 3, whose events held a document each: those are put into
bodies of some hundred lines, as they were stored, and everything that was concluded is taken over as it stands.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from alembic import op
from sqlalchemy import Connection, inspect, text

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.upgrading.tables_of_4 import FrozenTables

_LINES_A_BODY = 200
_PAGE = 2_000
_OLD = "before_4_"
_OLD_TABLES = (
    "events",
    "sightings",
    "executions",
    "runs",
    "run_nodes",
    "nodes",
    "drops",
    "node_records",
    "refusals",
    "stale_jobs",
)
_AS_THEY_ARE = ("executions", "nodes", "drops", "node_records", "refusals", "stale_jobs")
_KINDS = {"job-start": 0, "job-end": 1, "job-profile": 2, "job-summary": 3}
_WITNESSES = {"hook": 0, "cgroup": 1}
_SECTIONS = {"running": 0, "pending": 1}
_OVER, _NOT_LISTED = 2, 9
Row = Mapping[str, Any]
SightingName = tuple[str, str, str]
"""Cluster, node, sighting."""


class _OldTold(msgspec.Struct):
    job: msgspec.Raw = msgspec.Raw(b"")
    witness: str | None = None
    totals: msgspec.Raw = msgspec.Raw(b"")


class _OldDocument(msgspec.Struct):
    slurm: _OldTold


class _OldTeller(msgspec.Struct, array_like=True):
    boottime_ns: int
    id: str
    job: msgspec.Raw


_decoder = msgspec.json.Decoder(_OldDocument)
_nodes = msgspec.json.Encoder()


def upgrade() -> None:
    """All of it; inside alembic's operations."""
    connection = op.get_bind()
    is_old = inspect(connection).has_table("schema_version")
    if is_old:
        _bring_to_version_3(connection)
        _put_aside(connection)
    _create(connection)
    if is_old:
        transaction = Transaction(connection)
        _Move(connection, transaction).everything()
        transaction.close()
        for name in (*(_OLD + name for name in _OLD_TABLES), "schema_version"):
            op.execute(f"DROP TABLE {name}")


def _create(connection: Connection) -> None:
    is_postgresql = connection.dialect.name == "postgresql"
    words = {
        "blob": "BYTEA" if is_postgresql else "BLOB",
        "number": "BIGINT" if is_postgresql else "INTEGER",
        "without_rowid": "" if is_postgresql else "WITHOUT ROWID",
    }
    statements = Path(__file__).with_name("schema_4.sql").read_text("utf-8")
    for word, meaning in words.items():
        statements = statements.replace("{" + word + "}", meaning)
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(statement)


def _bring_to_version_3(connection: Connection) -> None:
    version = connection.execute(text("SELECT version FROM schema_version")).scalar() or 0
    if version < 2:
        op.execute("ALTER TABLE nodes ADD COLUMN beat_heard_ns BIGINT")
        op.execute("UPDATE nodes SET beat_heard_ns = heard_ns WHERE boot_id IS NOT NULL")
    if version < 3:
        op.execute(
            "CREATE TABLE drops (cluster VARCHAR(64) NOT NULL, node VARCHAR(255) NOT NULL,"
            " stream VARCHAR(128) NOT NULL, reason VARCHAR(128) NOT NULL, since_ns BIGINT NOT NULL,"
            " lines BIGINT NOT NULL, told_ns BIGINT NOT NULL,"
            " PRIMARY KEY (cluster, node, stream, reason, since_ns, lines))"
        )


def _put_aside(connection: Connection) -> None:
    for name in _OLD_TABLES:
        for index in inspect(connection).get_indexes(name):
            if not index.get("duplicates_constraint"):
                op.execute(f"DROP INDEX {index['name']}")
        op.execute(f"ALTER TABLE {name} RENAME TO {_OLD}{name}")


class _Move:
    """Takes what the old tables hold into the new ones, a page at a time."""

    def __init__(self, connection: Connection, transaction: Transaction) -> None:
        self._connection = connection
        self._transaction = transaction
        self._tables = FrozenTables()
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._batch = 0

    def everything(self) -> None:
        for name in _AS_THEY_ARE:
            for page in self._pages(name):
                self._transaction.put(self._tables[name], self._tables.key(name), page)
        self._sightings()
        for page in self._pages("events"):
            self._events(page)
        self._runs()

    def _pages(self, name: str) -> Iterator[list[dict[str, Any]]]:
        """An old table's rows, in the order in which they were written where the database knows that."""
        key = ("rowid",) if self._is_sqlite else self._tables.old_key(name)
        columns = "*, rowid" if self._is_sqlite else "*"
        order, last = ", ".join(key), None
        while True:
            marks = ", ".join(f":k{position}" for position in range(len(key)))
            where = "" if last is None else f"WHERE ({order}) > ({marks})"
            query = f"SELECT {columns} FROM {_OLD}{name} {where} ORDER BY {order} LIMIT {_PAGE}"  # noqa: S608
            after: dict[str, Any] = (
                {} if last is None else {f"k{position}": value for position, value in enumerate(last)}
            )
            page = [dict(row) for row in self._connection.execute(text(query), after).mappings()]
            if not page:
                return
            last = tuple(page[-1][column] for column in key)
            for row in page:
                row.pop("rowid", None)
            yield page

    def _sightings(self) -> None:
        rid = 0
        for page in self._pages("sightings"):
            rows = []
            for row in page:
                rid += 1
                row.pop("identity")
                rows.append({"rid": rid, **row, "tellers": b"{}", "totals": None})
            self._transaction.put(self._tables["sightings"], ("rid",), rows)

    def _events(self, page: list[dict[str, Any]]) -> None:
        """Bodies of these events, their rows, and who reported what of their sightings' jobs."""
        kept = [row for row in page if row["body"] is not None]  # a delta without was contained in a summary
        names = {(row["cluster"], row["node"], row["sighting"]) for row in kept}
        sightings = self._tables["sightings"]
        columns = ("rid", "tellers", "totals", "cluster", "node", "sighting")
        found = self._transaction.find(sightings, columns, columns[3:], names)
        known = {row[3:]: [row[0], msgspec.json.decode(row[1], type=dict[str, _OldTeller]), row[2]] for row in found}
        for begin in range(0, len(kept), _LINES_A_BODY):
            self._body(kept[begin : begin + _LINES_A_BODY], known)
        changed = [
            {"rid": rid, "tellers": msgspec.json.encode(tellers), "totals": totals}
            for rid, tellers, totals in known.values()
        ]
        self._transaction.change(sightings, ("rid",), changed)

    def _body(self, rows: list[dict[str, Any]], known: dict[SightingName, list[Any]]) -> None:
        self._batch += 1
        events = []
        for line, row in enumerate(rows, start=1):
            sighting = known[row["cluster"], row["node"], row["sighting"]]
            witness = _take(sighting, row)
            kind = _KINDS[row["kind"]]
            told = _WITNESSES.get(witness or "")
            place = (row["boottime_ns"], row["time_ns"], self._batch, line)
            events.append((sighting[0], row["id"], kind, told, *place))
        body = gzip.compress(b"\n".join(row["body"] for row in rows) + b"\n", 6, mtime=0)
        received_ns = max(row["received_ns"] for row in rows)
        columns = ("id", "received_ns", "encoding", "body")
        self._transaction.insert_new(self._tables["batches"], columns, [(self._batch, received_ns, "gzip", body)])
        self._transaction.insert_new(self._tables["events"], self._tables.columns("events"), events)

    def _runs(self) -> None:
        rid = 0
        for page in self._pages("runs"):
            keys = [(row["cluster"], row["job_id"], row["number"]) for row in page]
            nodes: dict[tuple[Any, ...], list[str]] = {}
            found = self._transaction.find(
                self._tables["old_run_nodes"],
                ("cluster", "job_id", "number", "node"),
                ("cluster", "job_id", "number"),
                keys,
            )
            for cluster, job_id, number, node in sorted(found):
                nodes.setdefault((cluster, job_id, number), []).append(node)
            rows, listed = [], []
            for key, row in zip(keys, page, strict=True):
                rid += 1
                section = _SECTIONS.get(row["state_group"], _OVER) if row.pop("is_latest") else _NOT_LISTED
                own = nodes.get(key, [])
                rows.append({"rid": rid, **row, "section": section, "nodes": _nodes.encode(own)})
                listed += [(node, section, row["order_ns"], rid) for node in own]
            self._transaction.put(self._tables["runs"], ("rid",), rows)
            self._transaction.insert_new(self._tables["run_nodes"], self._tables.columns("run_nodes"), listed)


def _take(sighting: list[Any], row: Row) -> str | None:
    """Notes what one event reported of its sighting's job; returns its witness."""
    if row["kind"] == "job-profile":
        return None
    try:
        told = _decoder.decode(row["body"]).slurm
    except msgspec.DecodeError:
        return None
    kind = row["kind"].removeprefix("job-")
    place = row["boottime_ns"], row["id"]
    known: _OldTeller | None = sighting[1].get(kind)
    is_better = known is None or (place < _place(known) if kind == "start" else place > _place(known))
    if is_better and told.job:
        sighting[1][kind] = _OldTeller(*place, told.job)
        if told.totals:
            sighting[2] = bytes(told.totals)
    return told.witness


def _place(teller: _OldTeller) -> tuple[int, str]:
    return teller.boottime_ns, teller.id
