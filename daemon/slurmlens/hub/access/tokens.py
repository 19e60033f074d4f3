"""Links that log a browser in once, and the sessions that come of them.

Owns the table `login_tokens`. Invariants: a token is random, 256 bits, and lies in the database as its hash; a link is
good once, also with several hubs on one database (whoever deletes its row has used it); both end by themselves. A token
says who somebody is and nothing of what he may see. Used by `authenticating` (sessions) and `web.pages.login` (links).
"""

from __future__ import annotations

import enum
import hashlib
import secrets

from sqlalchemy import ColumnElement, Connection, delete, select

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.access import AccessConfig
from slurmlens.hub.access.tables import login_tokens
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store

_TOKEN_BYTES = 32
_LONGEST = 128


class TokenKind(enum.Enum):
    """What a token does. LINK: makes a session, once. SESSION: says who asks until it ends."""

    LINK = "link"
    SESSION = "session"


class LoginTokens:
    """All links and sessions of one hub."""

    def __init__(self, store: Store, settings: AccessConfig, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lasts_s = {TokenKind.LINK: settings.link_s, TokenKind.SESSION: settings.session_s}

    async def make_link(self, user: str) -> str:
        """The token of a link for this user."""
        return await self._store.write(lambda transaction: self._put(transaction, TokenKind.LINK, user))

    async def use_link(self, token: str) -> str | None:
        """The token of a new session in place of a link's; None where the link was used, has ended or never was."""

        def use(transaction: Transaction) -> str | None:
            table = login_tokens
            ours = (table.c.digest == _digest(token), table.c.kind == TokenKind.LINK.value)
            user = transaction.core.execute(select(table.c.user).where(*ours, self._is_good())).scalar()
            used = transaction.core.execute(delete(table).where(*ours)).rowcount
            return self._put(transaction, TokenKind.SESSION, user) if user is not None and used else None

        return await self._store.write(use)

    async def user_of_session(self, token: str) -> str | None:
        """Whose session this is; None where there is none."""
        if len(token) > _LONGEST:
            return None
        table = login_tokens
        query = select(table.c.user).where(table.c.digest == _digest(token), table.c.kind == TokenKind.SESSION.value)

        def read(connection: Connection) -> str | None:
            return connection.execute(query.where(self._is_good())).scalar()

        return await self._store.read(read)

    async def end_session(self, token: str) -> None:
        """From now on this session is none."""
        query = delete(login_tokens).where(login_tokens.c.digest == _digest(token))
        await self._store.write(lambda transaction: transaction.core.execute(query))

    def _is_good(self) -> ColumnElement[bool]:
        return login_tokens.c.ends_ns > self._clock.wall_ns()

    def _put(self, transaction: Transaction, kind: TokenKind, user: str) -> str:
        """Stores a new token; those that have ended go on this occasion."""
        now_ns = self._clock.wall_ns()
        transaction.core.execute(delete(login_tokens).where(login_tokens.c.ends_ns <= now_ns))
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        ends_ns = now_ns + round(self._lasts_s[kind] * NS_PER_S)
        columns = ("digest", "kind", "user", "ends_ns")
        transaction.insert_new(login_tokens, columns, [(_digest(token), kind.value, user, ends_ns)])
        return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
