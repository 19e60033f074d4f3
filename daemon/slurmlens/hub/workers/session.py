"""One worker's two connections to the database server: one asks, one listens. The only module that knows psycopg.

Owns the leader's lock, an advisory lock of the asking session. The server ends that session when nothing came from it
for `LEASE_S`, whatever became of the worker or of the network between them: so the lock survives nobody for longer, and
a worker that got no answer for `PATIENCE_S` knows that it leads no more before another can. SQL of `tables`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from psycopg import AsyncConnection, Error
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from slurmlens.errors import DeliveryError
from slurmlens.hub.database import engines

CHANNEL = "slurmlens_news"
LEASE_S = 10.0
PATIENCE_S = 6.0
CONNECT_TIMEOUT_S = 5
FORGET_AFTER_S = 86_400
LEADER_KEY = 0x736C_7572_6D6C_6C64
"""The advisory lock of the one who leads: "slurmlld" in ASCII."""

_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
_NOW_NS = "(extract(epoch FROM clock_timestamp()) * 1000000000)::bigint"
_TELL = f"""INSERT INTO hub_workers (worker, started_ns, seen_ns, leads_since_ns, told)
VALUES (%(worker)s, %(started_ns)s, {_NOW_NS}, CASE WHEN %(leads)s THEN {_NOW_NS} END, %(told)s)
ON CONFLICT (worker) DO UPDATE SET started_ns = excluded.started_ns, seen_ns = excluded.seen_ns, told = excluded.told,
leads_since_ns = CASE WHEN NOT %(leads)s THEN NULL
WHEN hub_workers.started_ns = excluded.started_ns THEN coalesce(hub_workers.leads_since_ns, excluded.leads_since_ns)
ELSE excluded.leads_since_ns END"""  # noqa: S608  # no value of anybody's is in it
_ALL = f"""SELECT worker, started_ns, ({_NOW_NS} - seen_ns) / 1e9, ({_NOW_NS} - leads_since_ns) / 1e9, told
FROM hub_workers ORDER BY worker"""  # noqa: S608  # as above
_FORGET = f"DELETE FROM hub_workers WHERE seen_ns < {_NOW_NS} - {FORGET_AFTER_S} * 1000000000::bigint"  # noqa: S608
_LEAVE = "DELETE FROM hub_workers WHERE worker = %s"


class SessionLost(DeliveryError):
    """The server does not answer, or ended the session: whoever led leads no more."""


class WorkerRow(NamedTuple):
    """A row of the table; ages in seconds."""

    worker: str
    started_ns: int
    silent_s: float
    leads_s: float | None
    told: bytes


class WorkerSession:
    """Open connections. Make it with `await WorkerSession.open(url)`; close it."""

    def __init__(self, asking: AsyncConnection[TupleRow], listening: AsyncConnection[TupleRow]) -> None:
        self._asking = asking
        self._listening = listening

    @classmethod
    async def open(cls, url: str) -> WorkerSession:
        """Connects and listens from now on; SessionLost where the server does not answer."""
        where = engines.database_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        try:
            asking = await _connected(where, f"-c idle_session_timeout={round(LEASE_S * 1000)}")
            try:
                listening = await _connected(where, "")
                await listening.execute(f"LISTEN {CHANNEL}")
            except BaseException:
                await asking.close()
                raise
        except (Error, OSError) as error:
            raise _lost(error) from error
        return cls(asking, listening)

    async def close(self) -> None:
        """Gives the lock up, if it is held."""
        await self._asking.close()
        await self._listening.close()

    async def try_to_lead(self) -> bool:
        """Takes the leader's lock where nobody has it; it is kept for as long as the session."""
        rows = await self._ask("SELECT pg_try_advisory_lock(%s)", (LEADER_KEY,))
        return bool(rows[0][0])

    async def tell(self, worker: str, started_ns: int, *, leads: bool, told: bytes) -> list[WorkerRow]:
        """Writes this worker's row; returns all."""
        row = {"worker": worker, "started_ns": started_ns, "leads": leads, "told": told}
        await self._ask(_TELL, row)
        await self._ask(_FORGET)
        return [WorkerRow(*found) for found in await self._ask(_ALL)]

    async def leave(self, worker: str) -> None:
        """This worker's row goes: it ends in order."""
        await self._ask(_LEAVE, (worker,))

    async def notify(self, payload: str) -> None:
        """Sends text of less than 8,000 bytes to all that listen, this worker among them."""
        await self._ask("SELECT pg_notify(%s, %s)", (CHANNEL, payload))

    async def notifications(self) -> AsyncIterator[str]:
        """What workers send, in order, until the session is lost."""
        try:
            async for told in self._listening.notifies():
                yield told.payload
        except (Error, OSError) as error:
            raise _lost(error) from error

    async def _ask(self, query: str, values: object = None) -> list[TupleRow]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                cursor = await self._asking.execute(query, values)  # type: ignore[call-overload]
                return [] if cursor.description is None else await cursor.fetchall()
        except (Error, OSError) as error:  # TimeoutError among them
            raise _lost(error) from error


async def _connected(where: str, options: str) -> AsyncConnection[TupleRow]:
    told = make_conninfo(
        where, connect_timeout=CONNECT_TIMEOUT_S, application_name="slurmlens-hub", options=options, **_KEEPALIVE
    )
    return await AsyncConnection.connect(told, autocommit=True)


def _lost(error: BaseException) -> SessionLost:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return SessionLost(f"the database server: {said}", reason="session")
