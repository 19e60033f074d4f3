"""What jobs ask for by SLURMLENS_NOTIFY: kept when nodes tell it, read while their runs may still call for a notice.

Owns the rows of `job_wishes`. Invariant: a wish is the user's whose run it is, by the scheduler's word, and not by that
of the job. `keep` is called by history's `storing` in its transaction; the rest by `stage`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, and_, select

from slurmlens.events import JobMessage
from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.record.storing import Keeper
from slurmlens.hub.history.tables import runs, sightings
from slurmlens.hub.notices.tables import job_wishes

MOST_OPEN = 500
"""Jobs that are looked at in a turn, those that asked last; the others have their turn when these are over."""
DAY_S = 86_400
_KEY = ("cluster", "node", "sighting", "id")
_COLUMNS = (*_KEY, "job_id", "told_ns", "words")


class JobWish(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a user's job whose end, stall or limit he wants to be told of; `end_ns` is None while it runs."""

    user: str
    job_id: int
    run: int
    words: str
    end_ns: int | None
    key: tuple[str, str, str, str]


def keep(transaction: Transaction, told: Sequence[JobMessage]) -> set[str]:
    """Keeps the wishes among these messages. They are told as messages, so this finds nothing new of its own."""
    asking = [one for one in told if one.notify]
    rows = [(one.cluster, one.node, one.sighting, one.id, one.job_id, one.time_ns, one.notify) for one in asking]
    transaction.insert_new(job_wishes, _COLUMNS, rows)
    return set()


KEEPER = Keeper((JobMessage,), keep)


class JobWishStore:
    """The wishes of one cluster's jobs."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def open(self, viewer: Viewer) -> list[JobWish]:
        """Those of runs that are known, the newest."""
        newest = (
            select(job_wishes)
            .where(job_wishes.c.told_ns > 0, job_wishes.c.cluster == self._cluster)
            .order_by(job_wishes.c.told_ns.desc())
            .limit(MOST_OPEN)
            .subquery()
        )
        same_sighting = and_(*(newest.c[name] == sightings.c[name] for name in _KEY[:3]))
        same_run = and_(
            runs.c.cluster == sightings.c.cluster, runs.c.job_id == sightings.c.job_id, runs.c.number == sightings.c.run
        )
        query = (
            select(newest, runs.c.number, runs.c.user, runs.c.end_ns)
            .select_from(newest.join(sightings, same_sighting).join(runs, same_run))
            .where(runs.c.user.is_not(None), visible_runs(viewer))
        )

        def read(connection: Connection) -> list[JobWish]:
            return [
                JobWish(
                    user=row["user"],
                    job_id=row["job_id"],
                    run=row["number"],
                    words=row["words"],
                    end_ns=row["end_ns"],
                    key=(row["cluster"], row["node"], row["sighting"], row["id"]),
                )
                for row in connection.execute(query).mappings()
            ]

        return await self._store.read(read)

    async def done_with(self, wishes: Collection[JobWish]) -> None:
        """Nothing more can come of these."""
        keys = [wish.key for wish in wishes]
        await self._store.write(lambda transaction: transaction.take_away(job_wishes, _KEY, keys))


def kind_of_job_wishes(days: float) -> AgingKind:
    """Those whose run never became known go at last, too."""
    return AgedRows("wishes of jobs", job_wishes, "told_ns", days * DAY_S)
