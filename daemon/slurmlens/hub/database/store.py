"""Opens the hub's database and hands out its two kinds of transactions.

Owns the engine, the schema's version and the rule of one writer: writes of this process queue up behind one lock, each
is one transaction, and on SQLite it takes the write lock at its beginning (BEGIN IMMEDIATE), so that nothing it read
can change below it. SQLite: WAL, synchronous=FULL, because a node forgets a batch that we have acknowledged.
Foreign exceptions are translated here: StoreError says whether to try again. Used by `apply`, `refresh` and `queries`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, insert, inspect, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from slurmlens.errors import ConfigError, DeliveryError
from slurmlens.hub.database import tables as schema

_WRITES = "slurmlens_writes"
_BUSY_TIMEOUT_MS = 10_000


class StoreError(DeliveryError):
    """The database did not do what it was asked to; whoever sent the data shall send it again."""


class Store:
    """The open database. Make it with `await Store.open(url)`; close it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()
        self._waiting_writers = 0

    @classmethod
    async def open(cls, url: str) -> Store:
        """Opens or creates the database; ConfigError where the URL is of no use or the schema is not ours."""
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "sqlite" and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_async_engine(parsed)
        except (SQLAlchemyError, ImportError, OSError) as error:
            raise ConfigError(f"{error}; use sqlite+aiosqlite:///PATH", key="database.url") from error
        if engine.dialect.name == "sqlite":
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
        store = cls(engine)
        try:
            async with store.write() as connection:
                await connection.run_sync(_create_or_check)
        except StoreError as error:
            await store.close()
            raise ConfigError(f"cannot be opened: {error}", key="database.url") from error
        except ConfigError:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Closes all connections; what was committed is there."""
        await self._engine.dispose()

    @property
    def upsert(self) -> Any:
        """The dialect's INSERT, which knows ON CONFLICT; spelled the same for both databases."""
        return postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits to write: work that can be parted shall end its transaction then."""
        return self._waiting_writers > 0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that may write: all of it or nothing. StoreError where the database refuses."""
        async with self._turn_to_write(), self._transaction(writes=True) as connection:
            yield connection

    @asynccontextmanager
    async def _turn_to_write(self) -> AsyncIterator[None]:
        self._waiting_writers += 1
        try:
            await self._writing.acquire()
        finally:
            self._waiting_writers -= 1
        try:
            yield
        finally:
            self._writing.release()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view, for reading."""
        async with self._transaction(writes=False) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, *, writes: bool) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(**{_WRITES: writes})
                async with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"database: {error}", reason="database") from error


def _create_or_check(connection: Connection) -> None:
    """Makes the tables in an empty database, upgrades one of an older release, refuses one of a newer."""
    if not inspect(connection).has_table(schema.schema_version.name):
        schema.metadata.create_all(connection)
        connection.execute(insert(schema.schema_version).values(version=schema.VERSION))
        return
    version = connection.execute(select(schema.schema_version.c.version)).scalar()
    while version in schema.UPGRADES:
        for statement in schema.UPGRADES[version]:
            connection.exec_driver_sql(statement)
        version += 1
        connection.execute(update(schema.schema_version).values(version=version))
    if version != schema.VERSION:
        raise ConfigError(
            f"its schema is version {version}, this release writes {schema.VERSION}: use the matching release",
            key="database.url",
        )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # else the driver begins transactions as it likes
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
