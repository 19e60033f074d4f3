"""The newest heartbeat of each node, in memory: what `nodes` holds, ahead of it by some seconds.

Owns what is known of node daemons. A heartbeat counts if it is newer than the last one, whatever order they come in;
it is superseded by the next, so none is written by itself: what changed is written every few seconds, and read back at
the start. Where several hubs share the database each hears some of the nodes: what is written never replaces what is
newer, and what the others wrote is read every time.
What a node lists runs there as a rule, so a sighting that was closed while the node was silent is to be opened again:
`closed` has those by name. A node's clock is compared with the hub's only by heartbeats that did not wait
(`beat_timing`); a boot that another has taken the place of and that lives on makes the name contested.
Fed by `storing`; asked by `reconcile` and the readers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from slurmlens.clock import NS_PER_S
from slurmlens.events import NodeHeartbeat
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.closing import opens_again, told_more
from slurmlens.hub.history.facts import ClosedReason
from slurmlens.hub.history.record.beat_timing import CONTESTED_NS, BeatMoment, FormerBoot, came_live
from slurmlens.hub.news import Subscription

BOOT_PATIENCE_S = 150.0
"""How long no heartbeat of the boot that is known has come before one whose clock is older is believed."""

WRITE_EVERY_S = 5.0
LATE_NS = 60 * NS_PER_S
"""What another hub heard so long ago it has written by now, if it lives."""

LATEST_CLOSED = 100_000
"""So many closed sightings are known for being opened again; older ones stay closed."""

_encoder = msgspec.json.Encoder()
_running_decoder = msgspec.json.Decoder(tuple[tuple[int, str], ...])


class NodeName(NamedTuple):
    """A node of a cluster."""

    cluster: str
    node: str


class SightingName(NamedTuple):
    """What a sighting is called by its node."""

    cluster: str
    node: str
    sighting: str


@dataclass(slots=True)
class NodeBeat:
    """What was heard of one node daemon last; all but `heard_ns` is of its newest heartbeat, None where none came.

    `skew_s` is the node's clock minus the hub's, None until two heartbeats of this boot came without having waited.
    `contested_ns` is when two boots were last seen to claim this name at once: this one and `former`.
    """

    heard_ns: int
    beat_ns: int | None = None
    beat_heard_ns: int | None = None
    boot_id: str | None = None
    boottime_ns: int | None = None
    version: str | None = None
    interval_s: float | None = None
    skew_s: float | None = None
    running: tuple[tuple[int, str], ...] = ()
    former: FormerBoot | None = None
    contested_ns: int | None = None

    @property
    def moment(self) -> BeatMoment | None:
        """When the newest heartbeat was made and came."""
        if self.boottime_ns is None or self.beat_heard_ns is None:
            return None
        return BeatMoment(self.boottime_ns, self.beat_heard_ns)

    def is_contested(self, now_ns: int) -> bool:
        """Whether two daemons claim this name."""
        return self.contested_ns is not None and now_ns - self.contested_ns <= CONTESTED_NS


_IN_MEMORY = ("running", "former", "contested_ns")
_COLUMNS = tuple(name for name in NodeBeat.__dataclass_fields__ if name not in _IN_MEMORY)


class NodeBeats:
    """All node daemons that were ever heard of."""

    def __init__(self) -> None:
        self.known: dict[NodeName, NodeBeat] = {}
        self.closed: set[SightingName] = set()
        self._changed: set[NodeName] = set()

    def load(self, connection: Connection) -> None:
        """Takes over what an earlier hub has written."""
        for row in connection.execute(select(schema.nodes)).mappings():
            self.known[NodeName(row["cluster"], row["node"])] = _beat(dict(row))
        self.closed = self.closed_by_now(connection)

    @staticmethod
    def closed_by_now(connection: Connection) -> set[SightingName]:
        """Sightings that are closed and would be opened again by a heartbeat that lists them."""
        table = schema.sightings
        name = (table.c.cluster, table.c.node, table.c.sighting)
        query = select(*name, table.c.closed_reason, table.c.first_boottime_ns, table.c.last_boottime_ns)
        may_open = query.where(table.c.closed_ns.is_not(None), table.c.end_ns.is_(None))
        return {
            SightingName(*named)
            for *named, reason, first_ns, last_ns in connection.execute(
                may_open.order_by(table.c.closed_ns.desc()).limit(LATEST_CLOSED)
            )
            if opens_again(ClosedReason(reason), told_more=told_more(first_ns, last_ns))
        }

    def hear(self, place: NodeName, received_ns: int, beats: Iterable[NodeHeartbeat] = ()) -> list[NodeHeartbeat]:
        """Notes that the node lives, with or without heartbeats in what it sent; returns those that were news."""
        known = self.known.get(place)
        if known is None:
            known = self.known[place] = NodeBeat(received_ns)
        known.heard_ns = received_ns
        self._changed.add(place)
        return [beat for beat in beats if _take(beat, known, received_ns)]

    def to_open_again(self, beats: Iterable[NodeHeartbeat]) -> list[SightingName]:
        """Sightings that were closed and that these heartbeats list."""
        if not self.closed:
            return []
        listed = (SightingName(beat.cluster, beat.node, name) for beat in beats for _, name in beat.running)
        return [name for name in listed if name in self.closed]

    async def keep_written(self, store: Store) -> None:
        """A stage: writes what was heard, every few seconds; reads what others heard, where there are others."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write(store)
            if store.is_shared:
                await self.read_others(store)

    async def keep_closed(self, store: Store, heard: Subscription) -> None:
        """A stage, where there are other hubs: knows what any of them closed, while `heard` has news of that."""
        async for _ in heard:
            self.closed = await store.read(self.closed_by_now)

    async def read_others(self, store: Store) -> None:
        """Takes over what the other hubs have written and is newer than what this one knows."""
        since_ns = max((beat.heard_ns for beat in self.known.values()), default=0) - LATE_NS
        for place, beat in (await store.read(lambda connection: _heard_since(connection, since_ns))).items():
            own = self.known.get(place)
            if own is None or beat.heard_ns >= own.heard_ns:
                self.known[place] = beat if own is None else _newer(beat, own)

    async def write(self, store: Store) -> None:
        """Writes the nodes of which something was heard since the last time."""
        changed, self._changed = self._changed, set()
        if not changed:
            return
        try:
            await store.write(lambda transaction: self._put(transaction, changed, is_shared=store.is_shared))
        except BaseException:
            self._changed |= changed
            raise

    def _put(self, transaction: Transaction, places: Iterable[NodeName], *, is_shared: bool) -> None:
        """In the writer's thread: a row that is changed meanwhile is written again the next time."""
        told = {place: self.known[place] for place in places}
        if is_shared:
            for row in transaction.find_rows(schema.nodes, ("cluster", "node"), told):
                place = NodeName(row["cluster"], row["node"])
                told[place] = _newer(_beat(row), told[place])
        transaction.put(schema.nodes, ("cluster", "node"), [_row(place, beat) for place, beat in told.items()])


def _heard_since(connection: Connection, since_ns: int) -> dict[NodeName, NodeBeat]:
    query = select(schema.nodes).where(schema.nodes.c.heard_ns >= since_ns)
    rows = connection.execute(query).mappings()
    return {NodeName(row["cluster"], row["node"]): _beat(dict(row)) for row in rows}


def _beat(row: Mapping[str, Any]) -> NodeBeat:
    values = {name: row[name] for name in _COLUMNS}
    return NodeBeat(running=_running_decoder.decode(row["running"]) if row["running"] else (), **values)


def _newer(written: NodeBeat, known: NodeBeat) -> NodeBeat:
    """Of two hubs' words on one node the one with the newer heartbeat; whichever heard of it last did."""
    is_of_one_boot = written.boot_id == known.boot_id
    mine, others = (one.boottime_ns if is_of_one_boot else one.beat_heard_ns for one in (known, written))
    newest = known if others is None or (mine is not None and mine >= others) else written
    skew_s = known.skew_s if newest.skew_s is None and is_of_one_boot else newest.skew_s
    return replace(
        newest,
        heard_ns=max(written.heard_ns, known.heard_ns),
        skew_s=skew_s,
        former=known.former,
        contested_ns=known.contested_ns,
    )


def _row(place: NodeName, known: NodeBeat) -> dict[str, Any]:
    row: dict[str, Any] = {"cluster": place.cluster, "node": place.node}
    row.update((name, getattr(known, name)) for name in _COLUMNS)
    row["running"] = _encoder.encode(known.running)
    return row


def _take(beat: NodeHeartbeat, known: NodeBeat, received_ns: int) -> bool:
    """Keeps a heartbeat that is newer than the last one.

    Of two boots the newer one is known by the node's clock, and where that is wrong by patience: an old boot's
    heartbeat may come again for a moment, a new boot's keep coming.
    """
    moment = BeatMoment(beat.boottime_ns, received_ns)
    _look_for_a_second_daemon(beat, known, moment)
    if not _is_newer(beat, known, received_ns):
        return False
    earlier = known.moment
    if earlier is not None and known.boot_id is not None and known.boot_id != beat.boot_id:
        known.former, known.skew_s = FormerBoot(known.boot_id, earlier), None
    elif earlier is not None and came_live(earlier, moment):
        known.skew_s = (beat.time_ns - received_ns) / NS_PER_S
    known.beat_ns, known.beat_heard_ns = beat.time_ns, received_ns
    known.boot_id, known.boottime_ns = beat.boot_id, beat.boottime_ns
    known.version, known.interval_s, known.running = beat.version, beat.interval_s, beat.running
    return True


def _look_for_a_second_daemon(beat: NodeHeartbeat, known: NodeBeat, moment: BeatMoment) -> None:
    """A machine has one boot at a time: a former one whose heartbeats still come live is another machine's."""
    former = known.former
    if former is None or former.boot_id != beat.boot_id or moment.boottime_ns <= former.moment.boottime_ns:
        return
    if came_live(former.moment, moment):
        known.contested_ns = moment.received_ns
    known.former = FormerBoot(former.boot_id, moment)


def _is_newer(beat: NodeHeartbeat, known: NodeBeat, received_ns: int) -> bool:
    if known.boot_id is None or known.boottime_ns is None or known.beat_ns is None or known.beat_heard_ns is None:
        return True
    if known.boot_id == beat.boot_id:
        return beat.boottime_ns > known.boottime_ns
    silent_s = (received_ns - known.beat_heard_ns) / NS_PER_S
    return beat.time_ns > known.beat_ns or silent_s > BOOT_PATIENCE_S
