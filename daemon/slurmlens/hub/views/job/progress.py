"""How far a job is, made ready to be shown: `JobEstimate` to `ProgressView`, and its words.

Pure. The estimate is `hub.progress`'s; this module decides what of it is shown in which phase, and says it in the same
words on the page, in the terminal and in the headline. Used by the job's view and by the list of jobs.
"""

from __future__ import annotations

from slurmlens.clock import NS_PER_S
from slurmlens.hub.progress.estimate import TaskEstimate
from slurmlens.hub.progress.facts import JobEstimate, LimitVerdict
from slurmlens.hub.views.job.view import Phase, ProgressView
from slurmlens.shown import format as fmt

_VERDICT_WORDS = {
    LimitVerdict.WILL_MAKE: "within its time limit",
    LimitVerdict.LIKELY: "probably within its time limit",
    LimitVerdict.UNLIKELY: "probably too late for its time limit",
    LimitVerdict.WILL_NOT: "too late for its time limit",
}
TROUBLED = frozenset({LimitVerdict.UNLIKELY.value, LimitVerdict.WILL_NOT.value})
"""Verdicts that need somebody to look."""


def build_progress(
    told: JobEstimate | None, phase: Phase, now_ns: int, *, has_limit: bool, is_suspended: bool = False
) -> ProgressView | None:
    """What is shown of a job's progress; None where it reported nothing. Only a running job has a finish to wait
    for."""
    if told is None:
        return None
    view = _what_it_told(told)
    if phase is not Phase.RUNNING:
        return view
    return _with_outlook(view, told, now_ns, has_limit=has_limit, is_suspended=is_suspended)


def _what_it_told(told: JobEstimate) -> ProgressView:
    estimate = told.estimate
    return ProgressView(
        done=estimate.done,
        total=estimate.total,
        ratio=estimate.ratio,
        told_ns=estimate.told_ns,
        rate_mean=estimate.rate_mean,
        step=told.lead.step,
        rank=told.lead.rank,
        node=told.lead.node,
        tasks=told.tasks,
        least_ratio=told.least_ratio,
        most_ratio=told.most_ratio,
        restarts=estimate.restarts,
        values=told.lead.values,
    )


def _with_outlook(
    view: ProgressView, told: JobEstimate, now_ns: int, *, has_limit: bool, is_suspended: bool
) -> ProgressView:
    estimate = told.estimate
    stalled_ns = None if is_suspended else estimate.stalled_since_ns
    is_judged = has_limit and told.verdict is not LimitVerdict.UNKNOWN and not estimate.is_done
    changes = {
        "rate_now": estimate.rate_now,
        "finish_ns": estimate.finish_ns,
        "finish_low_ns": estimate.finish_low_ns,
        "finish_high_ns": estimate.finish_high_ns,
        "left_s": _left_s(estimate, now_ns),
        "spread_s": _spread_s(estimate),
        "usual_interval_s": estimate.usual_interval_s,
        "stalled_since_ns": stalled_ns,
        "stalled_s": None if stalled_ns is None else (now_ns - stalled_ns) / NS_PER_S,
        "verdict": told.verdict.value if is_judged else None,
        "verdict_text": _VERDICT_WORDS.get(told.verdict) if is_judged else None,
    }
    return ProgressView(**{name: getattr(view, name) for name in view.__struct_fields__} | changes)


def _left_s(told: TaskEstimate, now_ns: int) -> float | None:
    return None if told.finish_ns is None or told.is_done else max(0.0, (told.finish_ns - now_ns) / NS_PER_S)


def _spread_s(told: TaskEstimate) -> float | None:
    """Half of the interval: what stands behind ±."""
    if told.finish_low_ns is None or told.finish_high_ns is None or told.is_done:
        return None
    return (told.finish_high_ns - told.finish_low_ns) / 2 / NS_PER_S


def done_words(progress: ProgressView) -> str:
    """`412 of 1000`, `17 done`."""
    done = amount(progress.done)
    return f"{done} done" if progress.total is None else f"{done} of {amount(progress.total)}"


def left_words(progress: ProgressView) -> str:
    """`about 2 h 10 min left, ± 12 min`; empty where nothing can be said."""
    if progress.left_s is None:
        return ""
    around = f", ± {fmt.duration(progress.spread_s)}" if progress.spread_s is not None else ""
    return f"about {fmt.duration(progress.left_s)} left{around}"


def rate_words(progress: ProgressView) -> str:
    """`3.2 a second now, 3.0 since the start`; for slow ones `40 s each`."""
    if progress.rate_mean is None:
        return ""
    mean = pace_words(progress.rate_mean)
    if progress.rate_now is None:
        return mean
    return f"{pace_words(progress.rate_now)} now, {mean} since the start"


def pace_words(rate: float) -> str:
    """A rate as somebody would say it: many in a second, or so long each."""
    if rate <= 0:
        return "nothing"
    return f"{fmt.digits(rate)} a second" if rate >= 1 else f"{fmt.duration(1 / rate)} each"


def stall_words(progress: ProgressView) -> str:
    """`stands still for 14 min (usual: 40 s between steps)`; empty where it moves."""
    if progress.stalled_s is None:
        return ""
    usual = progress.usual_interval_s
    aside = f" (usual: {fmt.duration(usual)} between steps)" if usual is not None else ""
    return f"stands still for {fmt.duration(progress.stalled_s)}{aside}"


def progress_sentence(progress: ProgressView) -> str:
    """For the headline of a running job."""
    done = done_words(progress)
    if progress.stalled_s is not None:
        return f"It {stall_words(progress)} at {done}."
    parts = [f"It is at {done}" if progress.total is not None else f"It has {done}", left_words(progress)]
    text = ", ".join(part for part in parts if part)
    return f"{text}: {progress.verdict_text}." if progress.verdict_text and progress.left_s is not None else f"{text}."


def amount(value: float) -> str:
    """A count whole, anything else at three digits."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.3g}"
