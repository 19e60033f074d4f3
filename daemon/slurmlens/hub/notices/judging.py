"""Which notices a user's jobs call for: pure.

Fed with rows of the list of jobs, as pages show them: what a notice says is what the page says. Whether it was told
before, the store knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.notices.facts import AT_ONCE, UNLESS_NAMED, NewNotice, NoticeChannel, NoticeKind, Wish
from slurmlens.hub.views.job.progress import TROUBLED, done_words
from slurmlens.hub.views.jobs.view import JobLine
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible
from slurmlens.slurm.records import ENDED_UNWELL

FAILED_WITHIN_NS = 3600 * NS_PER_S
"""What failed before the wish, or while no hub ran for long, is no news."""

SETTLED_NS = 60 * NS_PER_S
"""So long after its end a run is told in full: by then its nodes have told what it used."""
_OF_ENDS = (NoticeKind.FAILED, NoticeKind.ENDED)


def wishes_by_words(words: str, own: Sequence[Wish], user: str) -> list[Wish]:
    """What SLURMLENS_NOTIFY asks for: kinds (`stalled`, `limit`, `failed`, `ended`; none named: the first three) and
    addresses, in any order.

    An address has `@` in it or begins with `https://`; without one the notices go where the user's own wishes (`own`)
    go. What is neither is passed over. Whether this hub can reach an address is the channels' to say.
    """
    named = [word for word in words.replace(",", " ").split() if word]
    kinds = frozenset(kind for kind in AT_ONCE if kind.value in named) or UNLESS_NAMED
    webhooks = [word for word in named if word.startswith(("https://", "http://"))]
    mails = [word for word in named if "@" in word and word not in webhooks]
    if webhooks or mails:
        places = [(NoticeChannel.WEBHOOK, word) for word in webhooks] + [(NoticeChannel.MAIL, word) for word in mails]
    else:
        places = [(wish.channel, wish.address) for wish in own]
    first = dict(reversed(places))  # one address a channel, as a user's own wishes have
    return [Wish(user, channel, address, kinds) for channel, address in first.items()]


def notices_of(
    lines: Sequence[JobLine], wishes: Sequence[Wish], now_ns: int, web_address: str | None = None
) -> Iterator[NewNotice]:
    """Everything that is to be told of these jobs of one user, whose wishes they are."""
    for line in lines:
        for kind, words in _kinds_of(line, now_ns):
            for wish in wishes:
                if kind not in wish.kinds:
                    continue
                if kind in _OF_ENDS and (line.ended_ns or 0) < wish.set_ns:
                    continue
                if kind is NoticeKind.FAILED and NoticeKind.ENDED in wish.kinds and not _is_task(line):
                    continue  # the report of its end says that, too
                yield NewNotice(
                    user=wish.user,
                    channel=wish.channel,
                    address=wish.address,
                    kind=kind,
                    job_id=line.job_id,
                    run=line.run,
                    subject=f"job {line.job_id}{_named(line)}: {words}",
                    text=_text(line, words, web_address),
                )


def _kinds_of(line: JobLine, now_ns: int) -> Iterator[tuple[NoticeKind, str]]:
    told = line.progress
    if told is not None and line.ended_ns is None:
        if told.stalled_s is not None:
            yield NoticeKind.STALLED, f"no progress for {fmt.duration(told.stalled_s)}, {done_words(told)}"
        elif told.verdict in TROUBLED:
            yield NoticeKind.LIMIT, told.verdict_text or "it will not make its time limit"
    ended = f"{line.state_text} after {fmt.duration(line.ran.used)}"
    if line.state in ENDED_UNWELL and (line.ended_ns or 0) > now_ns - FAILED_WITHIN_NS:
        yield NoticeKind.FAILED, ended
    if now_ns - FAILED_WITHIN_NS < (line.ended_ns or 0) < now_ns - SETTLED_NS and not _is_task(line):
        yield NoticeKind.ENDED, ended


def _is_task(line: JobLine) -> bool:
    """Of an array: a thousand mails would be none."""
    return line.array_task_id is not None


def _named(line: JobLine) -> str:
    return f" ({visible(line.name)})" if line.name else ""


def _text(line: JobLine, words: str, web_address: str | None) -> str:
    parts = [f"Job {line.job_id}{_named(line)} of {visible(line.user or 'somebody')}: {visible(words)}."]
    if line.node_list:
        parts.append(f"Nodes: {visible(line.node_list)}.")
    if line.ran.asked:
        parts.append(f"Ran {fmt.duration(line.ran.used)} of {fmt.duration(line.ran.asked)}.")
    if web_address is not None:
        parts.append(f"{web_address.rstrip('/')}/jobs/{line.job_id}/{line.run}")
    return "\n".join(parts)
