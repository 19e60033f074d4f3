"""A job against its user's earlier runs of the same: how long those took, and what that says of this one.

Pure. The runs are `hub.history.read.earlier_runs`'s; here is decided what they are worth. Times of runs that ended well
alone are compared: of `LEAST_RUNS` and more their median, and the range in which eight of ten were. Used by the page,
the terminal and, as JSON, by programs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.facts import EarlierRun, JobFacts
from slurmlens.hub.views.job.view import EarlierView, Phase
from slurmlens.shown import format as fmt
from slurmlens.slurm.records import ENDED_UNWELL, JobState

LEAST_RUNS = 3
"""Fewer say nothing of a range."""

_TAIL = 0.1


def build_earlier(runs: Sequence[EarlierRun], facts: JobFacts, phase: Phase) -> EarlierView | None:
    """What they say; None where there were none."""
    if not runs:
        return None
    took = sorted(run.ran_ns / NS_PER_S for run in runs if run.state is JobState.COMPLETED)
    usual = took if len(took) >= LEAST_RUNS else []
    ran_s = _ran_s(facts)
    expected_ns = None
    if usual and phase is Phase.RUNNING and facts.start_ns is not None:
        expected_ns = facts.start_ns + round(_at(usual, 0.5) * NS_PER_S)
    return EarlierView(
        runs=len(runs),
        completed=len(took),
        failed=sum(run.state in ENDED_UNWELL for run in runs),
        median_s=_at(usual, 0.5) if usual else None,
        low_s=_at(usual, _TAIL) if usual else None,
        high_s=_at(usual, 1 - _TAIL) if usual else None,
        expected_end_ns=expected_ns,
        text=_text(len(runs), len(took), usual, ran_s, phase),
        is_unusual=bool(usual) and ran_s is not None and ran_s > usual[-1],
        last_job_id=runs[0].job_id,
        last_run=runs[0].run,
    )


def _ran_s(facts: JobFacts) -> float | None:
    if facts.start_ns is None:
        return None
    return ((facts.end_ns or facts.as_of_ns) - facts.start_ns) / NS_PER_S


def _at(ordered: Sequence[float], share: float) -> float:
    """A quantile by linear interpolation."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _text(runs: int, completed: int, usual: Sequence[float], ran_s: float | None, phase: Phase) -> str:
    """One sentence for page and terminal."""
    if not usual:
        return f"{fmt.count(runs, 'earlier run')}, {completed} of them completed"
    words = f"{fmt.count(len(usual), 'earlier run')} took {fmt.duration(_at(usual, 0.5))}"
    words += f" ({fmt.duration(_at(usual, _TAIL))} to {fmt.duration(_at(usual, 1 - _TAIL))})"
    if ran_s is None:
        return words
    if ran_s > usual[-1]:
        return f"{words}; this one {'is' if phase is Phase.RUNNING else 'was'} longer than any of them"
    if phase is Phase.ENDED and ran_s < usual[0]:
        return f"{words}; this one was shorter than any of them"
    return words
