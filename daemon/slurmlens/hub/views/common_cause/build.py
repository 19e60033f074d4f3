"""The common cause of a window in words: pure. Fed with the inventory's answer; feeds page, JSON and terminal.

Figures are rounded for people here; the JSON has them whole. A chance is given as `p`, corrected over all candidates of
its kind as `q`; nothing is called a cause that the answer does not name.
"""

from __future__ import annotations

from slurmlens.hub.inventory.common_cause import Cause, CommonCause, Remark
from slurmlens.hub.views.common_cause.view import CauseLine, CommonCauseView
from slurmlens.hub.views.entity.words import label
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

MOST_NAMED = 3


def build_common_cause_view(
    cluster: str, answer: CommonCause, from_ns: int, to_ns: int, now_ns: int
) -> CommonCauseView:
    """What page and terminal show."""
    return CommonCauseView(
        cluster=cluster,
        made_ns=now_ns,
        from_ns=from_ns,
        to_ns=to_ns,
        sentence=visible(_sentence(answer)),
        failed=answer.failed,
        succeeded=answer.succeeded,
        tried=answer.tried,
        causes=tuple(_line(cause) for cause in answer.causes),
    )


def cause_name(cause: Cause) -> str:
    """`node c2`."""
    return f"{label(cause.kind)} {cause.name}"


def _sentence(answer: CommonCause) -> str:
    runs = f"{fmt.count(answer.failed, 'run')} failed and {answer.succeeded} succeeded"
    if not answer.failed:
        return f"No run failed in this window; {answer.succeeded} succeeded."
    if not answer.succeeded:
        return f"{runs}: with nothing to compare with, nothing can be concluded."
    named = [cause for cause in answer.causes if cause.is_named]
    if not named:
        tried = sum(answer.tried.values())
        suspect = f" The first suspect is {cause_name(answer.causes[0])}." if answer.causes else ""
        return f"{runs}; none of {fmt.count(tried, 'candidate')} explains the failures beyond chance.{suspect}"
    first, others = named[0], named[1:]
    twins = [cause_name(other) for other in others if _has_same_runs(other, first)]
    more = [cause_name(other) for other in others if not _has_same_runs(other, first)]
    subject = f"{cause_name(first)[0].upper()}{cause_name(first)[1:]}"
    twin_words = f", or {' or '.join(twins[:MOST_NAMED])} in the same runs," if twins else ""
    more_words = f" Named as well: {', '.join(more[:MOST_NAMED])}." if more else ""
    return f"{subject}{twin_words} explains {first.failed} of {answer.failed} failures: {_counts(first)}.{more_words}"


def _has_same_runs(one: Cause, other: Cause) -> bool:
    return Remark.SAME_RUNS in one.remarks and f"{other.kind} {other.name}" in one.by


def _counts(cause: Cause) -> str:
    with_it, without = cause.failed + cause.succeeded, cause.failed_without + cause.succeeded_without
    return f"{cause.failed} of {with_it} with it failed, {cause.failed_without} of {without} without"


def _line(cause: Cause) -> CauseLine:
    odds = f"odds {_odds(cause.odds)} ({_odds(cause.odds_low)} … {_odds(cause.odds_high)})"
    chance = f"p = {_chance(cause.p)}, after correction {_chance(cause.q)}"
    return CauseLine(
        cause=cause,
        sentence=visible(f"{_counts(cause)}; {odds}, {chance}"),
        remarks=tuple(visible(_remark(remark, cause)) for remark in cause.remarks),
    )


def _odds(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _chance(value: float) -> str:
    return f"{value:.1g}" if value >= 1e-6 else "<1e-06"


def _remark(remark: Remark, cause: Cause) -> str:
    if remark is Remark.SAME_RUNS:
        twins = cause.by[-MOST_NAMED:]
        return f"cannot be distinguished from {', '.join(twins)}: the same runs had both"
    return {
        Remark.TOO_FEW: "too few failures, or all of one user and one job name, to be named",
        Remark.NOT_SIGNIFICANT: "may be chance",
        Remark.EXPLAINED: f"its failures are those of {cause.by[0] if cause.by else 'a better one'}",
        Remark.ONE_USER: "its failures follow one user's jobs",
    }[remark]
