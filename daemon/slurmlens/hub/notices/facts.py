"""Wishes and notices as values. Does no input or output."""

from __future__ import annotations

import enum

import msgspec


class NoticeKind(enum.Enum):
    """STALLED: a running job reports no progress for much longer than usual. LIMIT: it will not make its time limit, by
    its own progress. FAILED: it ended unwell. ENDED: it ended, however, with all that its report says; tasks of arrays
    are left to the day's digest. DIGEST: what ended on a day and what it cost, by mail."""

    STALLED = "stalled"
    LIMIT = "limit"
    FAILED = "failed"
    ENDED = "ended"
    DIGEST = "digest"


AT_ONCE = frozenset(NoticeKind) - {NoticeKind.DIGEST}
"""Kinds that are told when they happen."""
UNLESS_NAMED = AT_ONCE - {NoticeKind.ENDED}
"""What whoever names none wishes."""


class NoticeChannel(enum.Enum):
    """How somebody is told."""

    WEBHOOK = "webhook"
    MAIL = "mail"


class Wish(msgspec.Struct, frozen=True):
    """A user wants to be told of these kinds at this address; at most one wish a channel."""

    user: str
    channel: NoticeChannel
    address: str
    kinds: frozenset[NoticeKind]
    set_ns: int = 0


class NewNotice(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be told. Of one run, kind and channel there is one ever."""

    user: str
    channel: NoticeChannel
    address: str
    kind: NoticeKind
    job_id: int
    run: int
    subject: str
    text: str


class KeptNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice on its way: when it was made, and how often it was tried."""

    made_ns: int
    attempts: int
    notice: NewNotice


class WishesView(msgspec.Struct, frozen=True, kw_only=True):
    """What a user wishes, and by which ways this hub can tell anybody anything."""

    user: str
    channels: tuple[NoticeChannel, ...]
    wishes: tuple[Wish, ...]
