"""Log lines as people see them: the types that page, JSON and terminal share."""

from __future__ import annotations

import msgspec


class LogRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `about` says by what it was given to its job, where that is not plain; `place` finds it again."""

    time_ns: int
    severity: str
    tone: str = ""
    node: str
    program: str | None = None
    pid: int | None = None
    message: str
    kind: str | None = None
    job_id: int | None = None
    job: str | None = None
    step: str | None = None
    user: str | None = None
    about: str | None = None
    contradiction: str | None = None
    repeats: int = 0
    place: str


class LogBar(msgspec.Struct, frozen=True):
    """A stretch of the histogram; `end_ns` is not in it."""

    begin_ns: int
    end_ns: int
    lines: int
    errors: int


class LogsView(msgspec.Struct, frozen=True, kw_only=True):
    """Lines, the newest first, under these filters; `next` is the place below which a further page begins.

    `bars` lie between `since_ns` and `until_ns`; stretches without a line have none. `note` says what is not looked in.
    """

    made_ns: int
    filters: dict[str, str]
    rows: tuple[LogRow, ...]
    since_ns: int = 0
    until_ns: int = 0
    bars: tuple[LogBar, ...] = ()
    next: str | None = None
    note: str | None = None
