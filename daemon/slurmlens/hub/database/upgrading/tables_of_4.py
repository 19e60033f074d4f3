"""The columns and keys that version 4 fills, as they were then; for the upgrade alone."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, SmallInteger, Table, Text

_COLUMNS = {
    "batches": ("id", "received_ns", "encoding", "body"),
    "events": ("sighting", "id", "kind", "witness", "boottime_ns", "time_ns", "batch", "line"),
    "run_nodes": ("node", "section", "order_ns", "run"),
}
_KEYS = {
    "batches": ("id",),
    "sightings": ("rid",),
    "runs": ("rid",),
    "executions": ("cluster", "job_id", "submit_s"),
    "nodes": ("cluster", "node"),
    "drops": ("cluster", "node", "stream", "reason", "since_ns", "lines"),
    "node_records": ("cluster", "node"),
    "refusals": ("reason",),
    "stale_jobs": ("cluster", "job_id"),
    "events": ("sighting", "id"),
    "run_nodes": ("node", "section", "order_ns", "run"),
    "old_run_nodes": ("cluster", "job_id", "number", "node"),
}
_OLD_KEYS = {
    "sightings": ("cluster", "node", "sighting"),
    "events": ("cluster", "node", "id"),
    "runs": ("cluster", "job_id", "number"),
}
_TYPES = {"job_id": BigInteger, "submit_s": BigInteger, "rid": BigInteger, "number": Integer, "section": SmallInteger}
_NAMES = {"old_run_nodes": "before_4_run_nodes"}


class FrozenTables:
    """Tables by name, with just enough of a definition for bulk statements."""

    def __init__(self) -> None:
        metadata = MetaData()
        self._tables = {
            name: Table(_NAMES.get(name, name), metadata, *(_column(column) for column in self._typed(name)))
            for name in _KEYS
        }

    def _typed(self, name: str) -> tuple[str, ...]:
        extra = ("cluster", "node", "sighting") if name == "sightings" else ()
        return tuple(dict.fromkeys((*_KEYS[name], *extra)))

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def key(self, name: str) -> tuple[str, ...]:
        """The key by which a row is found again."""
        return _KEYS[name]

    def old_key(self, name: str) -> tuple[str, ...]:
        """The key in version 3."""
        return _OLD_KEYS.get(name, _KEYS[name])

    def columns(self, name: str) -> tuple[str, ...]:
        """All columns."""
        return _COLUMNS[name]


def _column(name: str) -> Column[object]:
    return Column(name, _TYPES.get(name, Text)())
