"""Whose usage is asked for within which window: the conditions that every reading of it shares.

Owns which sums a question may be answered from: sums by when runs started are kept over everybody's runs, so that they
answer whoever sees all usage and names nobody; all else is read from the ledger. Used by `read`, `started` and `waits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, Table

from slurmlens.hub.access.predicates import visible_usage
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.usage.facts import UsageFilter, UsageWindow
from slurmlens.hub.usage.spans import ALL_CLASSES
from slurmlens.hub.usage.tables import usage_runs
from slurmlens.hub.usage.windows import KeptSpan, WindowParts, cut

EVERYBODYS = UsageFilter()


class UsageAsked(NamedTuple):
    """Who asks, of which cluster and window, and whose usage alone."""

    viewer: Viewer
    cluster: str
    window: UsageWindow
    which: UsageFilter = EVERYBODYS

    @property
    def parts(self) -> WindowParts:
        """The window as what is read of usage; its sums know no kinds of jobs."""
        return cut(self.window) if self.which.job_type is None else WindowParts((), (self.window,))

    @property
    def started_parts(self) -> WindowParts:
        """The window as what is read of the runs that started in it."""
        is_kept = self.viewer.sees_all_usage and self.which == EVERYBODYS
        return cut(self.window) if is_kept else WindowParts((), (self.window,))

    def visible(self, table: Table) -> list[ColumnElement[bool]]:
        """The conditions of whose rows these are; the table has a column for each dimension."""
        named = {name: getattr(self.which, name) for name in UsageFilter.__struct_fields__}
        wanted = [table.c[name] == value for name, value in named.items() if value is not None]
        return [visible_usage(self.viewer, table.c.user, table.c.account), *wanted]

    def started_within(self, window: UsageWindow) -> list[ColumnElement[bool]]:
        """The conditions of the ledger's runs that started in a part of the window."""
        return [
            usage_runs.c.cluster == self.cluster,
            usage_runs.c.span_class.in_(ALL_CLASSES),
            usage_runs.c.start_s >= window.from_s,
            usage_runs.c.start_s < window.to_s,
            *self.visible(usage_runs),
        ]

    def kept_within(self, table: Table, span: KeptSpan) -> Iterator[ColumnElement[bool]]:
        """The conditions of the rows of a table of sums that are of this span."""
        yield table.c.cluster == self.cluster
        yield table.c.width_s == span.width_s
        yield table.c.begin_s >= span.window.from_s
        yield table.c.begin_s < span.window.to_s
