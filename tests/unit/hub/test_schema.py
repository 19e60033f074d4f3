"""The schema that the revisions make is the one that the tables describe, from nothing and from an earlier release."""

from __future__ import annotations

import gzip
import importlib
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from slurmlens.hub.database import migration
from slurmlens.hub.database.metadata import metadata
from testkit.checkout import ROOT

PACKAGE = ROOT / "daemon" / "slurmlens"


def every_table() -> None:
    """Imports whatever registers tables."""
    for path in (PACKAGE / "hub").rglob("*.py"):
        if "hub.database.metadata import" in path.read_text() and "versions" not in path.parts:
            importlib.import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))


def shape(engine: Engine) -> dict[str, Any]:
    """By table: its columns in order, its key, its indexes by name."""
    found = inspect(engine)
    return {
        name: (
            [column["name"] for column in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
            {str(index["name"]): (index["column_names"], bool(index["unique"])) for index in found.get_indexes(name)},
        )
        for name in found.get_table_names()
        if name != "alembic_version"
    }


def described() -> dict[str, Any]:
    every_table()
    return {
        table.name: (
            [column.name for column in table.columns],
            [column.name for column in table.primary_key.columns],
            {
                str(index.name): ([column.name for column in index.columns], bool(index.unique))
                for index in table.indexes
            },
        )
        for table in metadata.tables.values()
    }


def upgraded(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        migration.bring_up_to_date(connection)
    return engine


def test_the_revisions_make_what_the_tables_describe(tmp_path: Path) -> None:
    engine = upgraded(tmp_path / "new.sqlite3")
    assert shape(engine) == described()
    engine.dispose()


def test_a_database_of_the_first_release_gets_the_same_schema(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    path.write_bytes(gzip.decompress((ROOT / "tests/fixtures/hub/hub-version-3.sqlite3.gz").read_bytes()))
    engine = upgraded(path)
    assert shape(engine) == described()
    engine.dispose()


def test_a_database_of_version_4_keeps_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "four.sqlite3"
    with monkeypatch.context() as patched:
        patched.setattr(ScriptDirectory, "get_current_head", lambda self: "0004")
        engine = upgraded(path)
    assert "inventory_facts" not in shape(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO stale_jobs (cluster, job_id) VALUES ('demo', 7)"))
    engine.dispose()
    engine = upgraded(path)
    assert shape(engine) == described()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT job_id FROM stale_jobs")).scalar() == 7
    engine.dispose()
