"""A report of usage: the one model that page, document, PDF, CSV and JSON are written from.

Owns the types. Numbers are raw. `as_of_s` is when the figures were asked for: part of the input, so that the same input
is written as the same bytes.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.usage.charges import UsageSums
from slurmlens.hub.usage.facts import JobTypeUse, UsageBacklog
from slurmlens.hub.views.usage.view import UsageTable


class ReportPiece(msgspec.Struct, frozen=True):
    """A part of the period (an hour, a day or a month) and what was used in it."""

    from_s: int
    to_s: int
    label: str
    sums: UsageSums


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `of_kind` and `of_name` say whose usage it is; where they are None, of all
    whom the reader may see.

    The pieces add up to the first row of every table.
    """

    cluster: str
    period: str
    label: str
    zone: str
    from_s: int
    to_s: int
    as_of_s: int
    is_complete: bool
    of_kind: str | None
    of_name: str | None
    sentence: str
    pieces: tuple[ReportPiece, ...]
    tables: tuple[UsageTable, ...]
    job_types: tuple[JobTypeUse, ...]
    backlog: UsageBacklog = UsageBacklog()
