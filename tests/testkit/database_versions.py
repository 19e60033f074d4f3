"""Databases of earlier schema versions, made from today's by taking away what came later: for the tests of upgrades."""

from __future__ import annotations

import re

from sqlalchemy import Connection, text

from testkit.checkout import ROOT

FIRST_THAT_IS_UPGRADED = 4
VERSIONS = ROOT / "daemon" / "slurmlens" / "hub" / "database" / "versions"
_MADE = re.compile(r'create_table\(\s*"(\w+)"')


def tables_made_by() -> dict[int, tuple[str, ...]]:
    """What each version makes by alembic's word for it; of version 7 what it makes by statements of its own."""
    made = {7: ("inventory_facts", "inventory_relations", "inventory_tellings")}
    for path in sorted(VERSIONS.glob("v*.py")):
        version, tables = int(path.name[1:5]), _MADE.findall(path.read_text())
        if tables and version > FIRST_THAT_IS_UPGRADED:
            made[version] = tuple(tables)
    return made


INDEXES_MADE_BY = {
    10: ("sightings_aging", "batches_by_time"),
    11: ("progress_tasks_by_age", "progress_messages_by_age"),
    12: ("runs_ended_by_state",),
    22: ("inventory_facts_by_end", "inventory_relations_by_end"),
    26: ("findings_by_end", "finding_words_by_age"),
}
"""The same for indexes of tables that were there before."""

FINDINGS, FINDINGS_OF_RUNS = 16, 26
"""Between these `finding_jobs` was there instead of `finding_runs`."""
USAGE, USAGE_BY_SPAN = 13, 33
"""Between these the index of the runs of a window held what finds them alone."""
COLUMNS_MADE_BY = {
    10: (("sightings", "detail"),),
    25: tuple((table, name) for table in ("usage_runs", "usage_hours") for name in ("gpu_seen_ms", "gpu_busy_ms")),
}
"""The same for columns."""


def take_back_to(connection: Connection, version: int) -> None:
    """Drops tables, indexes and columns of later versions; what else a later one changed is the caller's to undo."""
    gone = set()
    for later, tables in tables_made_by().items():
        for table in tables if later > version else ():
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))  # a later one may have taken it away
            gone.add(table)
    for later, indexes in INDEXES_MADE_BY.items():
        for index in indexes if later > version else ():
            connection.execute(text(f"DROP INDEX IF EXISTS {index}"))  # gone with a table of a later version
    for later, columns in COLUMNS_MADE_BY.items():
        for table, column in columns if later > version else ():
            if table not in gone:
                connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
    if USAGE <= version < USAGE_BY_SPAN:
        connection.execute(text("DROP INDEX usage_runs_by_span"))
        connection.execute(text("CREATE INDEX usage_runs_by_span ON usage_runs (cluster, span_class, start_s, end_s)"))
    if FINDINGS <= version < FINDINGS_OF_RUNS:
        connection.execute(text("CREATE TABLE finding_jobs (finding BIGINT, job_id BIGINT)"))
    connection.execute(text(f"UPDATE alembic_version SET version_num = '{version:04}'"))
