"""The audit as people see it: the types that page, JSON and terminal share, made by `build`."""

from __future__ import annotations

import msgspec


class AuditDayLine(msgspec.Struct, frozen=True, kw_only=True):
    """One day: jobs compared, the CPU seconds of both where both have them, figures that nothing explains."""

    day: str
    compared: int
    cpu_ours_s: float
    cpu_theirs_s: float
    unexplained: int
    only_here: int
    only_there: int


class AuditCountLine(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs have a cause in a figure."""

    figure: str
    cause: str
    words: str
    jobs: int
    is_explained: bool


class AuditJobLine(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of a job that differs."""

    job_id: int
    run: int
    user: str
    figure: str
    ours: str
    theirs: str
    cause: str
    is_explained: bool


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """All days, and one of them in detail: the latest where none is asked for."""

    cluster: str
    made_ns: int
    sentence: str
    day: str | None
    days: tuple[AuditDayLine, ...]
    counts: tuple[AuditCountLine, ...] = ()
    jobs: tuple[AuditJobLine, ...] = ()
    only_here: tuple[int, ...] = ()
    only_there: tuple[int, ...] = ()
    refused_rows: int = 0
