"""How well a run used what it was given: a figure between 0 and 1 for each thing that is known. Pure.

The formulas stand at each function. What is not known is left out, never counted as 0 or 1; the total is the mean of
what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from slurmlens.assess.documents import JoinedJob, Scores
from slurmlens.wire.assessment import Score

GOOD_CPU = 0.9
GOOD_MEMORY = 0.7


def score(job: JoinedJob) -> Scores:
    """All scores of the run."""
    found = tuple(one for one in (rule(job) for rule in _RULES) if one is not None)
    total = round(sum(one.value for one in found) / len(found), 4) if found else None
    return Scores(total, found)


def _outcome(job: JoinedJob) -> Score | None:
    """1 for COMPLETED, 0 for what failed; of what runs or was cancelled nothing is said."""
    values = {"COMPLETED": 1.0, "FAILED": 0.0, "TIMEOUT": 0.0, "OUT_OF_MEMORY": 0.0, "NODE_FAIL": 0.0, "BOOT_FAIL": 0.0}
    value = values.get(job.metrics.state)
    return None if value is None else Score("outcome", value, job.metrics.state_text)


def _cpu(job: JoinedJob) -> Score | None:
    """Core-seconds used of those given, where GOOD_CPU is all that one can ask for."""
    return _of_share("cpu", job.metrics.cpu.ratio, GOOD_CPU, "of its core-seconds were used")


def _memory(job: JoinedJob) -> Score | None:
    """Peak of what was asked for, where GOOD_MEMORY is all that one can ask for."""
    return _of_share("memory", job.metrics.memory.ratio, GOOD_MEMORY, "of its memory was used at the peak")


def _time_limit(job: JoinedJob) -> Score | None:
    """Time that it ran of its limit: what asks for far more waits longer than it had to."""
    return _of_share("time limit", job.metrics.times.ran.ratio, 0.5, "of its time limit was used")


def _balance(job: JoinedJob) -> Score | None:
    """The least busy node against the busiest, by core-seconds used; only of several nodes."""
    used = [one.cpu.used for one in job.metrics.nodes if one.cpu.used is not None]
    if len(used) < 2 or max(used) <= 0:
        return None
    value = min(used) / max(used)
    return Score("balance", round(value, 4), f"the least busy node did {value:.0%} of what the busiest did")


def _of_share(name: str, ratio: float | None, good: float, words: str) -> Score | None:
    if ratio is None:
        return None
    return Score(name, round(max(0.0, min(1.0, ratio / good)), 4), f"{ratio:.0%} {words}")


_RULES: Iterable[Callable[[JoinedJob], Score | None]] = (_outcome, _cpu, _memory, _time_limit, _balance)
