"""What a viewer may see, as conditions for the WHERE of a query.

Owns the rules: a reader adds the condition of each table it shows rows of, and decides nothing itself. Counts and
suggestions ("other jobs failed here") are reads as well and add it, too.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, true

from slurmlens.hub.access.viewer import Role, Viewer


def visible_runs(viewer: Viewer) -> ColumnElement[bool]:
    """The rows of `runs` that the viewer may see: all with the role of everybody, none without any role."""
    return true() if Role.EVERYBODY in viewer.roles else false()
