"""Writes tellings: what is new begins, what is told again stays, what is no longer told ends.

Owns the rows of `tables`. Invariants: one telling is one transaction; the same telling again changes nothing but when
it was told; a telling that is not whole ends nothing; spans of one attribute from one source never overlap, so a
`since_ns` before the source's last telling counts from that telling (it was asked then, and said otherwise). A telling
that is older than the source's last one is left out, and said to be. Two writers at once are put in order by the row
of the source in `inventory_tellings`, which the first statement locks. Fed by `keeper`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Table

from slurmlens.hub.database.bulk import Key, Transaction
from slurmlens.hub.database.change_feed import Changed, note
from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory import tables as schema
from slurmlens.hub.inventory.entities import FOREVER, Entity, Telling

_NOBODY = Entity("", "")
_TELLING_KEY = ("cluster", "source", "subject_kind", "subject_name")
_encoder = msgspec.json.Encoder()
_digester = msgspec.msgpack.Encoder()


class Recorded(NamedTuple):
    """What a telling changed: how many spans it began and how many it ended; `is_late`: it came after a newer one."""

    begun: int = 0
    ended: int = 0
    is_late: bool = False


class _Open(NamedTuple):
    """A span that holds: since when, and its value (None of a relation)."""

    valid_from_ns: int
    value: str | None


class _Wanted(NamedTuple):
    """A span that is told: its value (None of a relation), and since when as far as the source says."""

    value: str | None
    since_ns: int | None


class InventoryRecorder:
    """The one who writes the inventory of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def take(self, telling: Telling) -> Recorded:
        """Records a telling; StoreError where the database does not, and then nothing of it is there."""
        return await self._store.write(lambda transaction: record_telling(transaction, self._cluster, telling))


def record_telling(transaction: Transaction, cluster: str, telling: Telling) -> Recorded:
    """Records a telling inside a transaction that somebody else opened."""
    subject = telling.subject or _NOBODY
    key = (cluster, telling.source, subject.kind, subject.name)
    row = dict(zip(_TELLING_KEY, key, strict=True))
    transaction.put(schema.tellings, _TELLING_KEY, [{**row, "asked_ns": telling.at_ns}])  # locks the source's row
    ((told_ns, digest),) = transaction.find(schema.tellings, ("told_ns", "digest"), _TELLING_KEY, [key])
    if told_ns is not None and telling.at_ns <= told_ns:
        return Recorded(is_late=True)
    own = _digest(telling)
    recorded = Recorded()
    if digest is None or bytes(digest) != own:
        recorded = _compare(transaction, cluster, telling, told_ns)
    transaction.change(schema.tellings, _TELLING_KEY, [{**row, "told_ns": telling.at_ns, "digest": own}])
    return recorded


def _compare(transaction: Transaction, cluster: str, telling: Telling, told_ns: int | None) -> Recorded:
    facts = _Spans(transaction, schema.facts, schema.FACT_KEY, "value", telling, told_ns)
    wanted_facts = {
        (cluster, one.entity.kind, one.entity.name, one.attribute, telling.source): _Wanted(
            _encoder.encode(one.value).decode(), one.since_ns
        )
        for one in telling.facts
    }
    relations = _Spans(transaction, schema.relations, schema.RELATION_KEY, None, telling, told_ns)
    wanted_relations = {
        (
            cluster,
            one.entity.kind,
            one.entity.name,
            one.relation,
            one.other.kind,
            one.other.name,
            telling.source,
        ): _Wanted(None, None)
        for one in telling.relations
    }
    changed = facts.bring_to(cluster, wanted_facts), relations.bring_to(cluster, wanted_relations)
    return Recorded(sum(one.begun for one in changed), sum(one.ended for one in changed))


class _Spans:
    """The spans of one source in one table, brought to what a telling says."""

    def __init__(
        self,
        transaction: Transaction,
        table: Table,
        key: tuple[str, ...],
        value_column: str | None,
        telling: Telling,
        told_ns: int | None,
    ) -> None:
        self._transaction = transaction
        self._table = table
        self._key = key
        self._value_columns = () if value_column is None else (value_column,)
        self._telling = telling
        self._told_ns = told_ns

    def bring_to(self, cluster: str, wanted: Mapping[Key, _Wanted]) -> Recorded:
        """Ends and begins what differs."""
        held = self._held(cluster)
        same = {key for key, one in wanted.items() if key in held and held[key].value == one.value}
        ended = [key for key in held if key not in same and (self._telling.is_whole or key in wanted)]
        begun = [key for key in wanted if key not in same]
        begins = {key: self._begin_ns(wanted[key], held.get(key)) for key in begun}
        self._end(held, ended, begins)
        rows = [(*key, begins[key], FOREVER, *self._values(wanted[key])) for key in begun]
        columns = (*self._key, "valid_from_ns", "valid_to_ns", *self._value_columns)
        self._transaction.insert_new(self._table, columns, rows)
        note(self._transaction, ((key[0], Changed(key[1], key[2])) for key in (*ended, *begun)))
        return Recorded(len(begun), len(ended))

    def _held(self, cluster: str) -> dict[Key, _Open]:
        """What holds by this source (of the telling's subject) so far."""
        subject, columns = self._telling.subject, (*self._key, "valid_from_ns", *self._value_columns)
        names: tuple[str, ...] = ("cluster", "source", "valid_to_ns")
        values: Key = (cluster, self._telling.source, FOREVER)
        if subject is not None:
            names, values = (*names, "kind", "name"), (*values, subject.kind, subject.name)
        found = self._transaction.find(self._table, columns, names, [values])
        size = len(self._key)
        return {row[:size]: _Open(row[size], row[size + 1] if self._value_columns else None) for row in found}

    def _begin_ns(self, wanted: _Wanted, before: _Open | None) -> int:
        at_ns = self._telling.at_ns
        begin_ns = at_ns if wanted.since_ns is None else min(wanted.since_ns, at_ns)
        if self._told_ns is not None:
            begin_ns = max(begin_ns, self._told_ns)
        return begin_ns if before is None else max(begin_ns, before.valid_from_ns + 1)

    def _end(self, held: Mapping[Key, _Open], ended: Sequence[Key], begins: Mapping[Key, int]) -> None:
        columns = (*self._key, "valid_from_ns", "valid_to_ns", "last_told_ns")
        rows = [
            dict(
                zip(
                    columns,
                    (*key, held[key].valid_from_ns, begins.get(key, self._telling.at_ns), self._told_ns),
                    strict=True,
                )
            )
            for key in ended
        ]
        self._transaction.change(self._table, (*self._key, "valid_from_ns"), rows)

    def _values(self, wanted: _Wanted) -> tuple[str | None, ...]:
        return (wanted.value,) if self._value_columns else ()


def _digest(telling: Telling) -> bytes:
    """Equal where a telling says the same as another, in whatever order and whenever."""
    parts = [*map(_digester.encode, telling.facts), *map(_digester.encode, telling.relations)]
    whole = hashlib.blake2b(digest_size=16)
    whole.update(b"\1" if telling.is_whole else b"\0")
    for part in sorted(parts):
        whole.update(len(part).to_bytes(4, "big") + part)
    return whole.digest()
