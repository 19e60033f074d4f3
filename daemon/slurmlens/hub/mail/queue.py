"""The queue of mail: what is to be sent, what is being sent, what became of it.

Owns the rows of `mail_queue` and their states. Invariants: an id is queued once, whoever puts it again; a mail is
claimed in a transaction of its own before the server is spoken to, so that after a kill in between it is known to be in
doubt, and one in doubt is never sent again: twice is worse than not at all, and the state says so. Another attempt is
made after longer and longer pauses, up to `GIVE_UP_S`.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select, update

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.mail.message import Mail
from slurmlens.hub.mail.tables import mail_queue

FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3_600.0
GIVE_UP_S = 3 * 86_400.0
IN_DOUBT_S = 600.0
"""A mail that has been sent for so long is sent by nobody any more: whoever did was killed."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Mail)


class MailState(enum.Enum):
    """What became of a mail. IN_DOUBT: it may have arrived, and is not sent again."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    IN_DOUBT = "in doubt"
    FAILED = "failed"


class QueuedMail(NamedTuple):
    """A mail that was claimed: it is sent now, by whoever holds this."""

    number: str
    mail: Mail
    queued_ns: int
    attempts: int


class MailQueue:
    """The queue in one database."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def put(self, number: str, mail: Mail) -> bool:
        """Queues a mail; False where one with this id was queued before."""
        now_ns = self._clock.wall_ns()
        row = (number, MailState.WAITING.value, now_ns, now_ns, 0, None, now_ns, _encoder.encode(mail))
        columns = tuple(column.name for column in mail_queue.columns)
        return bool(await self._store.write(lambda transaction: transaction.insert_new(mail_queue, columns, [row])))

    async def claim(self) -> QueuedMail | None:
        """The mail that has been due for longest, now being sent; None where none is due."""
        now_ns = self._clock.wall_ns()

        def work(transaction: Transaction) -> QueuedMail | None:
            due = (
                select(mail_queue.c.id, mail_queue.c.message, mail_queue.c.queued_ns, mail_queue.c.attempts)
                .where(mail_queue.c.state == MailState.WAITING.value, mail_queue.c.due_ns <= now_ns)
                .order_by(mail_queue.c.due_ns)
                .limit(1)
            )
            found = transaction.core.execute(due).first()
            if found is None:
                return None
            claimed = transaction.core.execute(
                update(mail_queue)
                .where(mail_queue.c.id == found[0], mail_queue.c.state == MailState.WAITING.value)
                .values(state=MailState.SENDING.value, attempts=found[3] + 1, changed_ns=now_ns)
            )
            if not claimed.rowcount:
                return None
            return QueuedMail(found[0], _decoder.decode(found[1]), found[2], found[3] + 1)

        return await self._store.write(work)

    async def settle(self, queued: QueuedMail, state: MailState, problem: str | None = None) -> MailState:
        """What became of it; one that waits again is due after a pause, and has failed when it waited too long."""
        now_ns = self._clock.wall_ns()
        if state is MailState.WAITING and now_ns - queued.queued_ns > GIVE_UP_S * NS_PER_S:
            state = MailState.FAILED
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(queued.attempts - 1, 16))
        row = {
            "id": queued.number,
            "state": state.value,
            "due_ns": now_ns + round(pause_s * NS_PER_S),
            "last_error": problem,
            "changed_ns": now_ns,
        }
        await self._store.write(lambda transaction: transaction.change(mail_queue, ("id",), [row]))
        return state

    async def give_up_doubtful(self) -> int:
        """Mail that somebody was sending when he was killed is in doubt; returns how many."""
        now_ns = self._clock.wall_ns()
        change = (
            update(mail_queue)
            .where(mail_queue.c.state == MailState.SENDING.value)
            .where(mail_queue.c.changed_ns < now_ns - round(IN_DOUBT_S * NS_PER_S))
            .values(state=MailState.IN_DOUBT.value, changed_ns=now_ns, last_error="the hub was killed meanwhile")
        )
        return int(await self._store.write(lambda transaction: transaction.core.execute(change).rowcount))

    async def states(self) -> dict[str, tuple[MailState, int, str | None]]:
        """By id: what became of each mail, how often it was tried, and the last problem."""

        def question(connection: Connection) -> dict[str, tuple[MailState, int, str | None]]:
            columns = (mail_queue.c.id, mail_queue.c.state, mail_queue.c.attempts, mail_queue.c.last_error)
            return {row[0]: (MailState(row[1]), row[2], row[3]) for row in connection.execute(select(*columns))}

        return await self._store.read(question)
