"""Opens the hub's database and hands out its two kinds of transactions: questions, and work that writes.

Owns the readers (a few threads with a connection each, never the writer's), the one writer (a thread and a connection
of its own, in which all work stands in line) and a lock against a second hub. So a reader never keeps the writer
waiting, the event loop waits for neither, and what is asked costs no thread hop a statement. More questions than
can wait are turned away. Foreign exceptions are translated here: StoreError says that whoever asked shall try again.

Several hubs that share a database of a server write one at a time, too: each writing transaction begins by waiting for
an advisory lock that ends with it, so what it reads nobody changes below it, as on SQLite. What a hub remembers of what
it wrote is then read anew by `before_writing`. What is done before a transaction (bodies unpacked, lines read, pages
made) goes on in all of them at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from slurmlens.errors import ConfigError, DeliveryError
from slurmlens.hub.database import engines, migration
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.lock import AdvisoryLock

READERS = 4
MOST_WAITING_READERS = 64
STATISTICS_EVERY_S = 3600.0
_ANALYSIS_LIMIT = 1_000
_OUR_TURN = text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=0x736C_7572_6D6C_7772)
"""Held by the one of several hubs that writes: "slurmlwr" in ASCII."""

_Answer = TypeVar("_Answer")


class StoreError(DeliveryError):
    """The database did not do what it was asked to; whoever sent the data shall send it again."""


class Store:
    """The open database. Make it with `await Store.open(url)`; close it."""

    def __init__(self, writing: Engine, reading: Engine, lock: AdvisoryLock | None, *, is_shared: bool = False) -> None:
        self.is_shared = is_shared
        self.notes_changes = False
        """Whether somebody follows the change feed; set before anything is written."""
        self._before_writing: list[Callable[[Connection], None]] = []
        self._writing_engine = writing
        self._reading_engine = reading
        self._lock = lock
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._waiting_readers = 0
        self.is_postgresql = writing.dialect.name == engines.POSTGRESQL

    @classmethod
    async def open(cls, url: str, *, shared: bool = False) -> Store:
        """Opens, creates or upgrades the database; `shared` with other hubs, on a server.

        ConfigError where the URL is of no use, the schema is not ours, or another hub has it that does not share it.
        """
        parsed = engines.database_url(url)
        return await asyncio.to_thread(cls._open, parsed, shared)

    @classmethod
    def _open(cls, url: URL, shared: bool) -> Store:
        engines.make_folder(url)
        writing = engines.writing_engine(url, shared=shared)
        lock = None if writing.dialect.name == engines.SQLITE else AdvisoryLock(url, shared=shared)
        try:
            with writing.connect() as connection:
                if lock is None or lock.is_alone:
                    migration.bring_up_to_date(connection)
                else:
                    migration.refuse_other_schema(connection)
            if lock is not None and shared:
                lock.share()
        except BaseException as error:
            if lock is not None:
                lock.release()
            if isinstance(error, _foreign(writing)):
                raise ConfigError(f"cannot be opened: {_said(error)}", key="database.url") from error
            raise
        finally:
            writing.dispose()
        return cls(writing, engines.reading_engine(url, READERS), lock, is_shared=shared)

    async def close(self) -> None:
        """Ends what is under way and closes all connections; what was committed is there."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        self._reading_engine.dispose()
        self._writing_engine.dispose()
        if self._lock is not None:
            self._lock.release()

    async def read(self, question: Callable[[Connection], _Answer]) -> _Answer:
        """Asks in a thread, of one consistent view; StoreError where the database refuses or too many wait."""
        if self._waiting_readers >= MOST_WAITING_READERS:
            raise StoreError("too many questions wait for the database; ask again", reason="busy")
        self._waiting_readers += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, question)
        finally:
            self._waiting_readers -= 1

    def _read(self, question: Callable[[Connection], _Answer]) -> _Answer:
        try:
            with self._reading_engine.connect() as connection, connection.begin():
                return question(connection)
        except SQLAlchemyError as error:
            raise StoreError(f"database: {_said(error)}", reason="database") from error

    async def write(self, work: Callable[[Transaction], _Answer]) -> _Answer:
        """Does work in the writer's thread, in one transaction: all of it or nothing.

        StoreError where the database refuses. Work that was begun is ended, whoever gives up waiting for it.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work)

    def before_writing(self, read_anew: Callable[[Connection], None]) -> None:
        """What is remembered of the database and would be wrong where others write is read anew before each
        transaction that writes; where this hub is alone it is right already."""
        if self.is_shared:
            self._before_writing.append(read_anew)

    async def keep_statistics(self) -> None:
        """Has SQLite look again at what its plans go by, where a table has grown; a server does so by itself."""
        if not self.is_postgresql:
            await self.write(_optimize)

    async def run_upkeep(self) -> None:
        """A stage: plans stay right while tables grow."""
        while True:
            await asyncio.sleep(STATISTICS_EVERY_S)
            await self.keep_statistics()

    def _write(self, work: Callable[[Transaction], _Answer]) -> _Answer:
        try:
            with self._writing_engine.connect() as connection, connection.begin():
                self._take_turn(connection)
                transaction = Transaction(connection, notes_changes=self.notes_changes)
                try:
                    return work(transaction)
                finally:
                    transaction.close()
        except _foreign(self._writing_engine) as error:
            raise StoreError(f"database: {_said(error)}", reason="database") from error

    def _take_turn(self, connection: Connection) -> None:
        """Waits for whichever hub writes now, and knows what it wrote."""
        if not self.is_shared:
            return
        connection.execute(_OUR_TURN)
        for read_anew in self._before_writing:
            read_anew(connection)


_NEVER_ANALYZED = """
SELECT DISTINCT tbl_name FROM sqlite_master
WHERE type = 'index' AND tbl_name NOT LIKE 'sqlite_%' AND tbl_name NOT IN (SELECT tbl FROM sqlite_stat1)
"""


def _optimize(transaction: Transaction) -> None:
    """`PRAGMA optimize` passes over tables that the writer's connection never planned a question to, but readers do."""
    run = transaction.core.exec_driver_sql
    for pragma in (f"analysis_limit={_ANALYSIS_LIMIT}", "optimize"):
        run(f"PRAGMA {pragma}")
    run("ANALYZE runs")  # with which the table of statistics is there
    for (table,) in run(_NEVER_ANALYZED).all():
        run(f'ANALYZE "{table}"')


def _foreign(engine: Engine) -> tuple[type[Exception], ...]:
    """What SQLAlchemy and the driver raise: bulk statements go to the driver itself."""
    driver: Any = engine.dialect.dbapi
    return (SQLAlchemyError, driver.Error)


def _said(error: BaseException) -> str:
    """The driver's own words, without SQLAlchemy's statement and background."""
    own = getattr(error, "orig", None) or error
    return " ".join(str(own).split())[:300]
