"""What the upgrades make of an empty database is what the tables in the code say."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import slurmlens.hub.pipeline  # noqa: F401  # with it come the tables of all rooms
from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.database.store import Store


async def test_upgrades_make_the_tables_columns_and_indexes_of_the_code(tmp_path: Path) -> None:
    await (await Store.open(f"sqlite:///{tmp_path}/hub.sqlite3")).close()
    with sqlite3.connect(tmp_path / "hub.sqlite3") as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        made = {name for (name,) in found} - {"alembic_version", "sqlite_sequence", "sqlite_stat1", "sqlite_stat4"}
        assert made == set(metadata.tables)
        for name, table in metadata.tables.items():
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            assert sorted(columns) == sorted(column.name for column in table.columns), name
            indexes = {
                row[1]: bool(row[4]) for row in connection.execute(f"PRAGMA index_list({name})") if row[3] == "c"
            }
            wanted = {str(one.name): one.dialect_options["sqlite"]["where"] is not None for one in table.indexes}
            assert indexes == wanted, name
    connection.close()
