"""Engines for the two databases: SQLite and PostgreSQL, with what each needs to keep its promises.

Owns how a URL becomes an engine, and nothing of what is asked. SQLite: WAL and synchronous=FULL, because a node forgets
a batch that the hub has acknowledged; a writing transaction takes the write lock at its beginning (BEGIN IMMEDIATE), so
that nothing it read can change below it; readers cannot write at all. PostgreSQL through psycopg, for reading and
writing alike; a reader sees one snapshot. Used by `store`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from slurmlens.config.database_url import DRIVERS
from slurmlens.errors import ConfigError

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
_DIALECTS = {"sqlite3": SQLITE, "psycopg": "postgresql+psycopg"}
"""SQLAlchemy's name for each of the packages that `config.database_url.DRIVERS` names."""

_BUSY_TIMEOUT_MS = 10_000
SILENT_WRITER_MS = 10_000
_CONNECTION = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Of a server's connections: one that the network no longer carries is given up within half a minute, not hours."""
_READER_CACHE_KIB = 16 * 1024
_WRITER_CACHE_KIB = 64 * 1024


def database_url(text: str) -> URL:
    """The URL with the driver that is used here; ConfigError where it is none, or of a database that is not known."""
    try:
        url = make_url(text)
        url.port  # noqa: B018  # a port that is no number
    except (SQLAlchemyError, ValueError) as error:
        message = f"{text!r} is no URL of a database; use sqlite:////PATH or postgresql://USER@HOST/NAME"
        raise ConfigError(message, key="database.url") from error
    package = DRIVERS.get(url.drivername)
    if package is None:
        message = f"{url.drivername!r} is not known here; use sqlite:////PATH or postgresql://USER@HOST/NAME"
        raise ConfigError(message, key="database.url")
    return url.set(drivername=_DIALECTS[package])


def make_folder(url: URL) -> None:
    """Makes the folder of a database file; ConfigError where that cannot be."""
    if url.get_backend_name() == SQLITE and url.database:
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the folder of {url.database}: {error.strerror}", key="database.url") from error


def writing_engine(url: URL, *, shared: bool = False) -> Engine:
    """An engine of one connection, for the one thread that writes; where others write as well the server ends a
    transaction whose hub is silent, for it keeps them all waiting."""
    engine = _engine(url, 1, f"-c idle_in_transaction_session_timeout={SILENT_WRITER_MS}" if shared else None)
    if engine.dialect.name == SQLITE:
        event.listen(engine, "connect", _prepare_sqlite_writer)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def reading_engine(url: URL, connections: int) -> Engine:
    """An engine whose every transaction is one unchanging view of the database and can change nothing."""
    engine = _engine(url, connections)
    if engine.dialect.name == SQLITE:
        event.listen(engine, "connect", _prepare_sqlite_reader)
        event.listen(engine, "begin", _begin)
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _engine(url: URL, connections: int, server_options: str | None = None) -> Engine:
    arguments: dict[str, Any] = {"check_same_thread": False} if url.get_backend_name() == SQLITE else {**_CONNECTION}
    if server_options is not None:
        arguments["options"] = server_options
    try:
        return create_engine(url, poolclass=QueuePool, pool_size=connections, max_overflow=0, connect_args=arguments)
    except ImportError as error:
        message = f"{error}: install slurmlens[postgresql]"
        raise ConfigError(message, key="database.url") from error


def _prepare_sqlite_writer(connection: Any, _record: object) -> None:
    _prepare(connection, "journal_mode=WAL", "synchronous=FULL", f"cache_size=-{_WRITER_CACHE_KIB}")


def _prepare_sqlite_reader(connection: Any, _record: object) -> None:
    _prepare(connection, "query_only=ON", f"cache_size=-{_READER_CACHE_KIB}")


def _prepare(connection: Any, *pragmas: str) -> None:
    connection.isolation_level = None  # else the driver begins transactions as it likes
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={_BUSY_TIMEOUT_MS}", *pragmas):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
