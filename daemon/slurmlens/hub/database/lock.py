"""The lock by which a hub has a database of a PostgreSQL server: alone, or together with others that share it.

Owns an advisory lock of a session that is kept for nothing else; the server gives it up with the connection. A hub that
shares holds it in shared mode, so that one that does not share is kept out, and the schema is changed only by one that
was alone when it came. The file of SQLite has its lock beside it (`database_file`). Used by `store`, before it changes
anything.
"""

from __future__ import annotations

from sqlalchemy import URL, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from slurmlens.errors import ConfigError

_ADVISORY_KEY = 0x736C_7572_6D6C_656E
"""The advisory lock's number: "slurmlen" in ASCII. PostgreSQL counts it for each database of a server."""

SHARE_WAIT_S = 60
"""How long a hub that shares waits for one that brings the schema up to date."""


GONE_WAIT_S = 2
"""How long a server may take to notice that the hub before has gone: its lock lives until then."""


class AdvisoryLock:
    """The lock on one database of a server; ConfigError where a hub that does not share it has it."""

    def __init__(self, url: URL, *, shared: bool = False) -> None:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        try:
            self._session = engine.connect()
        except SQLAlchemyError as error:
            engine.dispose()
            raise ConfigError(f"cannot be opened: {error.__cause__ or error}", key="database.url") from error
        self.is_alone = bool(self._ask("pg_try_advisory_lock"))
        if self.is_alone:
            return
        try:
            if shared:
                remedy = "set `shared` in its [database] as well, and start it again"
                self._wait("pg_advisory_lock_shared", SHARE_WAIT_S, _taken(url, remedy, "database.shared"))
            else:
                remedy = "one hub a database, or all of them with `shared`"
                self._wait("pg_advisory_lock", GONE_WAIT_S, _taken(url, remedy, "database.url"))
                self.is_alone = True
        except ConfigError:
            self.release()
            raise

    def share(self) -> None:
        """Lets other hubs in that share the database; the schema is as it shall be."""
        if self.is_alone:
            self._ask("pg_advisory_lock_shared")
            self._ask("pg_advisory_unlock")

    def release(self) -> None:
        """Lets the next hub in."""
        self._session.close()
        self._session.engine.dispose()

    def _wait(self, function: str, wait_s: float, refusal: ConfigError) -> None:
        self._session.execute(text(f"SET lock_timeout = '{wait_s}s'"))
        try:
            self._ask(function)
        except SQLAlchemyError as error:
            raise refusal from error

    def _ask(self, function: str) -> object:
        return self._session.execute(text(f"SELECT {function}(:key)"), {"key": _ADVISORY_KEY}).scalar()


def _taken(url: URL, remedy: str, key: str) -> ConfigError:
    message = f"{url.database}: another hub has it open: {remedy}; or stop the other, or give this one its own"
    return ConfigError(message, key=key)
