"""Databases of earlier schema versions, made from today's by taking away what came later: for the tests of upgrades."""

from __future__ import annotations

from sqlalchemy import Connection, text

TABLES_MADE_BY = {
    6: ("account_people", "login_tokens", "looks"),
    7: ("inventory_facts", "inventory_relations", "inventory_tellings"),
    9: ("progress_tasks", "progress_messages"),
    10: ("retention",),
    13: ("uncharged_jobs", "usage_runs", "usage_hours", "usage_node_hours", "usage_due_hours"),
    14: ("campaigns",),
    15: ("hub_workers",),
    16: ("findings", "finding_jobs", "finding_words"),
    17: ("packed_profiles",),
    18: ("workflow_triggers", "workflow_marks"),
    19: ("node_states", "gpu_holdings"),
    20: ("change_feed", "change_feed_forgotten"),
}
"""Each version that makes tables has its row: an upgrade from before it makes them again."""

INDEXES_MADE_BY = {
    10: ("sightings_aging", "batches_by_time"),
    11: ("progress_tasks_by_age", "progress_messages_by_age"),
    12: ("runs_ended_by_state",),
}
"""The same for indexes of tables that were there before."""

COLUMNS_MADE_BY = {10: (("sightings", "detail"),)}
"""The same for columns."""


def take_back_to(connection: Connection, version: int) -> None:
    """Drops tables, indexes and columns of later versions; what else a later one changed is the caller's to undo."""
    for later, tables in TABLES_MADE_BY.items():
        for table in tables if later > version else ():
            connection.execute(text(f"DROP TABLE {table}"))
    for later, indexes in INDEXES_MADE_BY.items():
        for index in indexes if later > version else ():
            connection.execute(text(f"DROP INDEX IF EXISTS {index}"))  # gone with a table of a later version
    for later, columns in COLUMNS_MADE_BY.items():
        for table, column in columns if later > version else ():
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
    connection.execute(text(f"UPDATE alembic_version SET version_num = '{version:04}'"))
