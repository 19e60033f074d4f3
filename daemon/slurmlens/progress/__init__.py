"""Tell how far a job is, from inside the job, in one line:

    from slurmlens import progress

    progress(412, 1000, residual=1e-5)              # 412 of 1000 are done
    for item in progress.track(items): ...          # the same by itself
    from slurmlens.progress import tqdm             # a tqdm whose bar stands on the job's page
    progress.event("checkpoint written")            # onto the job's time line

The module itself is callable; `progress.report` is the same as a plain function, for type checkers. Nothing here ever
raises or prints for a daemon's sake: outside a Slurm job, without a daemon, with `SLURMLENS_OFF=1` or
`SLURMLENS_PROGRESS=off` a call does nothing (about 0.2 microseconds). It speaks once a second at most, whatever the
loop does, and waits 200 ms at most when it does. Safe in threads, after fork and in every rank of an MPI program: a
message is a connection of its own. Standard library only; nothing of the daemon is imported.
"""

from __future__ import annotations

import math
import operator
import os
import sys
import threading
import time
import types
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from slurmlens.progress.speaking import Reception, say

__all__ = ["event", "report", "tqdm", "track"]

LEAST_PAUSE_S = 1.0
REFUSED_PAUSE_S = 10.0
ABSENT_PAUSE_S = 60.0
"""After a message that was taken, that was refused, and where there is nobody: no other one before so long."""

SILENT_PAUSE_S = 2.0
"""The same where the daemon did not answer in time, which has cost 200 ms; doubled each time up to a minute."""

LAST_PAUSE_S = 0.05
"""The last of a loop is told at once, unless loops are as short as this, or the daemon was silent."""

PAUSES_S = {
    Reception.TAKEN: LEAST_PAUSE_S,
    Reception.REFUSED: REFUSED_PAUSE_S,
    Reception.ABSENT: ABSENT_PAUSE_S,
}

_Item = TypeVar("_Item")


class _State:
    """When this process may speak again; a forked child begins anew, since the lock may be held in its parent."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.said_s = -math.inf
        self.next_s = -math.inf
        self.is_present = True
        self.silent_s = 0.0

    def after(self, answer: Reception, now_s: float) -> None:
        self.is_present = answer is not Reception.ABSENT
        self.said_s = now_s
        is_silent = answer is Reception.SILENT
        self.silent_s = min(ABSENT_PAUSE_S, self.silent_s * 2 or SILENT_PAUSE_S) if is_silent else 0.0
        self.next_s = now_s + (self.silent_s or PAUSES_S[answer])


_state = _State()


def _begin_anew() -> None:
    global _state
    _state = _State()


os.register_at_fork(after_in_child=_begin_anew)


def report(done: float, total: float | None = None, /, **values: float) -> bool:
    """Tell that `done` of `total` is done (None: it is not known how much there is), in any unit of yours.

    `values` are numbers that are shown beside it, by your names for them (letters, digits, `_`; 16 of them a job); what
    is no finite number is left out. Returns whether the daemon took it; False mostly means that it was too early to say
    anything again, which costs nothing and loses nothing but this one step.
    """
    state, now_s = _state, time.monotonic()
    if now_s < state.next_s:
        is_last = total is not None and state.is_present and done >= total
        if not is_last or now_s < state.said_s + (SILENT_PAUSE_S if state.silent_s else LAST_PAUSE_S):
            return False
    return _speak(state, now_s, lambda: _progress_words(done, total, values))


def event(text: str, /) -> bool:
    """Put a line of text (300 characters at most) on the job's time line; 30 a minute are taken of a job.

    Returns whether the daemon took it.
    """
    state, now_s = _state, time.monotonic()
    if not state.is_present and now_s < state.next_s:
        return False
    return _speak(state, now_s, lambda: "event " + " ".join(str(text).split())[:300])


def track(iterable: Iterable[_Item], total: float | None = None, /, **values: float) -> Iterator[_Item]:
    """The same items, telling after each how many are done; `total` is the iterable's length where it has one."""
    if total is None:
        total = operator.length_hint(iterable) or None
    done = 0
    report(done, total, **values)
    for item in iterable:
        yield item
        done += 1
        report(done, total, **values)


def _speak(state: _State, now_s: float, words: Any) -> bool:
    """Say it, unless another thread of this process is just speaking."""
    if not state.lock.acquire(blocking=False):
        return False
    try:
        told = words()
        if told is None:
            return False
        answer = say(told)
        state.after(answer, now_s)
        return answer is Reception.TAKEN
    except (OSError, TypeError, ValueError, OverflowError):
        state.after(Reception.REFUSED, now_s)
        return False
    finally:
        state.lock.release()


def _progress_words(done: float, total: float | None, values: dict[str, float]) -> str | None:
    if not math.isfinite(done) or (total is not None and not 0 < total < math.inf):
        return None
    named = (f"{name}={float(value):.9g}" for name, value in values.items() if math.isfinite(value))
    of = "-" if total is None else f"{float(total):.15g}"
    return " ".join(("progress", f"{float(done):.15g}", of, *named))


class _CallableModule(types.ModuleType):
    """`from slurmlens import progress; progress(3, 10)`: the one line is the module itself."""

    def __call__(self, done: float, total: float | None = None, /, **values: float) -> bool:
        return report(done, total, **values)


sys.modules[__name__].__class__ = _CallableModule


def __getattr__(name: str) -> Any:
    """`tqdm` is made when it is asked for: the package tqdm is the user's, and need not be there."""
    if name == "tqdm":
        from slurmlens.progress.bars import reporting_tqdm

        globals()["tqdm"] = reporting_tqdm
        return reporting_tqdm
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
