"""Brings a database to the schema of this release: an empty one, or one of an earlier release.

Owns which revision a database has and which it needs; the revisions themselves are alembic's, in `versions`. A database
of a later release is refused and left alone. Called by `store` before anything else is done with a database; what a
revision does is one transaction, so that a hub that is killed in it finds the database as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from slurmlens.errors import ConfigError

_HERE = Path(__file__).parent
_FIRST_WITH_ALEMBIC = 4
"""Databases before it have their version in a table `schema_version`."""


def bring_up_to_date(connection: Connection) -> None:
    """Upgrades the database to this release's schema; ConfigError where it is of a later one."""
    scripts = _scripts()
    head = scripts.get_current_head()
    with connection.begin():
        _refuse_later(connection, scripts, head)
        context = MigrationContext.configure(connection, opts={"fn": _steps_to(scripts, head)})
        with Operations.context(context):
            context.run_migrations()


def refuse_other_schema(connection: Connection) -> None:
    """ConfigError where the database, which other hubs work on now, has another schema than this release's."""
    scripts = _scripts()
    head = scripts.get_current_head()
    with connection.begin():
        _refuse_later(connection, scripts, head)
        found = MigrationContext.configure(connection).get_current_revision()
    if found != head:
        raise ConfigError(
            f"its schema is version {(found or '0').lstrip('0')} and hubs of another release work on it: stop all of"
            " them, then start those of this release",
            key="database.url",
        )


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / "versions"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def _steps_to(scripts: ScriptDirectory, head: str | None) -> Any:
    return lambda revision, _context: scripts._upgrade_revs(head or "heads", revision)


def _refuse_later(connection: Connection, scripts: ScriptDirectory, head: str | None) -> None:
    tables = set(inspect(connection).get_table_names())
    found: str | None = None
    if "alembic_version" in tables:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    elif "schema_version" in tables:
        number = connection.execute(text("SELECT version FROM schema_version")).scalar() or 0
        found = f"{number:04}" if number >= _FIRST_WITH_ALEMBIC else None
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        version = found.lstrip("0") or found
        raise ConfigError(
            f"its schema is version {version}, this release writes {(head or '').lstrip('0')}: "
            "use the matching release",
            key="database.url",
        )
