"""What is shown of who looked at whose job: one type for page, JSON, CSV and terminal.

Pure. Made of `access.looks`' rows by `build_looks_view`; nothing is decided here: what the reader may know of was asked
for by the query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from slurmlens.hub.access.looks import Look, What
from slurmlens.shown.text import encodable

_WORDS = {
    What.PAGE: "its page",
    What.DATA: "its figures as data",
    What.EVENTS: "its events",
    What.LIVE: "its live page",
    What.LIST: "a list of jobs",
}


class LookLine(msgspec.Struct, frozen=True, kw_only=True):
    """One look. A list has `others` (how many jobs of other people it showed) and its filters in `detail`."""

    id: int
    time_ns: int
    who: str
    owner: str | None
    job_id: int | None
    run: int | None
    what: str
    words: str
    detail: str | None
    others: int | None


class LooksView(msgspec.Struct, frozen=True, kw_only=True):
    """The latest first. `sees_all`: whether all looks were asked for, or those that are the reader's own affair;
    `before`: what to ask for next, None where there is nothing more."""

    sees_all: bool
    filters: Mapping[str, str]
    rows: tuple[LookLine, ...]
    before: int | None


def build_looks_view(looks: Sequence[Look], filters: Mapping[str, str], limit: int, *, sees_all: bool) -> LooksView:
    """The view of these looks, which were asked for by these filters."""
    before = looks[-1].id if looks and len(looks) >= limit else None
    return LooksView(sees_all=sees_all, filters=dict(filters), rows=tuple(map(_line, looks)), before=before)


def _line(look: Look) -> LookLine:
    return LookLine(
        id=look.id,
        time_ns=look.time_ns,
        who=encodable(look.who),
        owner=None if look.owner is None else encodable(look.owner),
        job_id=look.job_id,
        run=look.run,
        what=look.what.value,
        words=_WORDS[look.what],
        detail=look.detail,
        others=look.rows,
    )
