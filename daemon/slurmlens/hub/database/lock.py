"""The lock by which one hub alone uses a database of a PostgreSQL server.

Owns an advisory lock of a session that is kept for nothing else; the server gives it up with the connection. The file
of SQLite has its lock beside it (`database_file`). Used by `store`, before it changes anything.
"""

from __future__ import annotations

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from slurmlens.errors import ConfigError

_ADVISORY_KEY = 0x736C_7572_6D6C_656E
"""The advisory lock's number: "slurmlen" in ASCII. PostgreSQL counts it for each database of a server."""


class AdvisoryLock:
    """The lock on one database of a server; ConfigError where another hub has it."""

    def __init__(self, url: URL) -> None:
        self._session = _advisory(url)

    def release(self) -> None:
        """Lets the next hub in."""
        self._session.close()
        self._session.engine.dispose()


def _advisory(url: URL) -> Connection:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        connection = engine.connect()
        is_ours = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_KEY}).scalar()
    except SQLAlchemyError as error:
        engine.dispose()
        raise ConfigError(f"cannot be opened: {error.__cause__ or error}", key="database.url") from error
    if not is_ours:
        connection.close()
        engine.dispose()
        message = (
            f"{url.database}: another hub has it open; one hub a database: stop the other, or give this one its own"
        )
        raise ConfigError(message, key="database.url")
    return connection
