"""Reads a hub's database from another process: nothing is locked, made or changed.

For commands that work on what a hub keeps, whether it runs or not. Used by `cli.commands.graph`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from slurmlens.config.database_url import sqlite_path
from slurmlens.errors import ConfigError
from slurmlens.hub.database import engines
from slurmlens.hub.database.store import StoreError

_Answer = TypeVar("_Answer")


class DatabaseReader:
    """Questions to a database that is there; ConfigError where it is not."""

    def __init__(self, url: str) -> None:
        path = sqlite_path(url)
        if path is not None and not path.exists():
            raise ConfigError(f"{path} is not there: has a hub ever run with it?", key="database.url")
        self._engine = engines.reading_engine(engines.database_url(url), 1)

    def close(self) -> None:
        """Ends its connection."""
        self._engine.dispose()

    async def read(self, question: Callable[[Connection], _Answer], /) -> _Answer:
        """Asks in a thread, of one consistent view; StoreError where the database refuses."""
        return await asyncio.to_thread(self._read, question)

    def _read(self, question: Callable[[Connection], _Answer]) -> _Answer:
        try:
            with self._engine.connect() as connection, connection.begin():
                return question(connection)
        except SQLAlchemyError as error:
            raise StoreError(f"database: {error}"[:300], reason="database") from error
