"""What a viewer may see, as conditions for the WHERE of a query.

Owns the rules: a reader adds the condition of each table it shows rows of, and decides nothing itself. Counts and
suggestions ("other jobs failed here") are reads as well and add it, too. The tables are history's; this room lies below
and asks the schema for them by name.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, FromClause, Table, and_, exists, false, func, not_, or_, true

from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.metadata import metadata


class Entitlement(NamedTuple):
    """One reason to see runs: their `column` (user, account) has this value; each goes by an index of its own."""

    column: str
    value: str


def visible_runs(viewer: Viewer, runs: FromClause | None = None) -> ColumnElement[bool]:
    """The rows of `runs` (or of an alias of it) that the viewer may see.

    A run whose user is not known yet is seen by those alone who see all.
    """
    if viewer.sees_all_jobs:
        return true()
    columns = (_table("runs") if runs is None else runs).c
    own = [columns["user"] == viewer.who] if viewer.is_somebody else []
    if viewer.accounts:
        own.append(columns["account"].in_(sorted(viewer.accounts)))
    return or_(false(), *own)


def entitlements(viewer: Viewer) -> tuple[Entitlement, ...] | None:
    """The same as `visible_runs`, as reasons that can be asked for one by one; None for a viewer who sees all."""
    if viewer.sees_all_jobs:
        return None
    own = (Entitlement("user", viewer.who),) if viewer.is_somebody else ()
    return (*own, *(Entitlement("account", account) for account in sorted(viewer.accounts)))


def visible_usage(viewer: Viewer, user: ColumnElement[str], account: ColumnElement[str]) -> ColumnElement[bool]:
    """Of sums over jobs the parts that the viewer may see; the columns say whose jobs a row is of."""
    if viewer.sees_all_usage:
        return true()
    own = [user == viewer.who] if viewer.is_somebody else []
    if viewer.accounts:
        own.append(account.in_(sorted(viewer.accounts)))
    return or_(false(), *own)


def visible_sightings(viewer: Viewer) -> ColumnElement[bool]:
    """The rows of `sightings` that the viewer may see: those of a run he sees.

    One that belongs to no run yet is seen by whoever sees all runs of its job id, and there is one: ids are reused.
    """
    if viewer.sees_all_jobs:
        return true()
    sightings, runs = _table("sightings"), _table("runs")
    same_job = and_(runs.c.cluster == sightings.c.cluster, runs.c.job_id == sightings.c.job_id)
    may_see = visible_runs(viewer)
    has_run = exists().where(same_job, runs.c.number == sightings.c.run, may_see)
    has_any = exists().where(same_job, may_see)
    has_others = exists().where(same_job, not_(func.coalesce(may_see, false())))
    return or_(has_run, and_(sightings.c.run.is_(None), has_any, not_(has_others)))


def visible_looks(viewer: Viewer) -> tuple[ColumnElement[bool], ...]:
    """The rows of `looks` that the viewer may see: auditors all, whoever else his own looks, and those at his jobs.

    As conditions of which one must hold, to be asked for one by one: each goes by its index.
    """
    if viewer.sees_looks:
        return (true(),)
    looks = _table("looks")
    return (looks.c.owner == viewer.who, looks.c.who == viewer.who) if viewer.is_somebody else ()


def visible_campaigns(viewer: Viewer) -> ColumnElement[bool]:
    """The rows of `campaigns` that the viewer may see: his own, and all for those who see all jobs."""
    if viewer.sees_all_jobs:
        return true()
    return _table("campaigns").c.user == viewer.who if viewer.is_somebody else false()


def _table(name: str) -> Table:
    return metadata.tables[name]


def visible_entities(viewer: Viewer, kind: ColumnElement[str], name: ColumnElement[str]) -> ColumnElement[bool]:
    """Which entities of the inventory the viewer may see: machines all, of people and theirs his own alone.

    `kind` and `name` are the columns that say which entity a row is about.
    """
    if viewer.sees_all_jobs:
        return true()
    own = []
    if viewer.is_somebody:
        prefix = f"{viewer.who}/"
        own.append(and_(kind == "user", name == viewer.who))
        own.append(and_(kind == "campaign", func.substr(name, 1, len(prefix)) == prefix))
    if viewer.accounts:
        own.append(and_(kind == "account", name.in_(sorted(viewer.accounts))))
    return or_(kind.not_in(("user", "group", "account", "campaign")), *own)
