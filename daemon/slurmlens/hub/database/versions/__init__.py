"""Alembic's revisions of the hub's schema, a file each."""
