"""What people ask of the lines, and what they get: the types between store, page and command line."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from slurmlens.log_lines import LogLine

MOST_LINES = 1_000


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines; all conditions must hold. Times are nanoseconds since the epoch, `until_ns` is not in it.

    `text` is words that must all be in the message; "two words" in quotes stand side by side, `word*` begins one. A
    line has one of `kinds`. `severity` is the least severe that is wanted (RFC 5424 code). `after` goes on below the
    last line of a page.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    text: str | None = None
    job_id: int | None = None
    node: str | None = None
    user: str | None = None
    partition: str | None = None
    program: str | None = None
    kind: str | None = None
    kinds: frozenset[str] | None = None
    severity: int | None = None
    limit: int = 200
    after: LogPlace | None = None


class LogPlace(NamedTuple):
    """Where a line stands in the order of time."""

    time_ns: int
    number: int


class JobOwner(NamedTuple):
    """Whose the job of a line is, as far as history knows."""

    user: str | None = None
    account: str | None = None
    partition: str | None = None


NOBODY = JobOwner()


class StoredLine(msgspec.Struct, frozen=True):
    """A line, whose its job is, and its place."""

    line: LogLine
    owner: JobOwner
    place: LogPlace


class LogPage(msgspec.Struct, frozen=True):
    """Lines, the newest first; `has_more` where older ones fit as well."""

    lines: tuple[StoredLine, ...]
    has_more: bool
