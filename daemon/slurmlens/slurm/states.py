"""Slurm's state words: from whatever a release writes to a base state and the flags beside it.

Owns the mapping; pure. 22.05 writes one word ("COMPLETING" hides the base state), accounting text appends who cancelled
("CANCELLED by 2000"), 24.11 and later write a list (["COMPLETED", "COMPLETING"]), scontrol joins with "+".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from slurmlens.slurm.records import JobState

_IMPLIED_BASE: dict[str, JobState] = {
    "COMPLETING": JobState.RUNNING,
    "CONFIGURING": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "STOPPED": JobState.SUSPENDED,
    "REQUEUE_FED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.PENDING,
    "SPECIAL_EXIT": JobState.PENDING,
    "LAUNCH_FAILED": JobState.PENDING,
    "RESV_DEL_HOLD": JobState.PENDING,
}
"""Base states of flag words that come alone: what a job in that condition still is."""

_BASE: dict[str, JobState] = {state.value: state for state in JobState if state is not JobState.UNKNOWN}


class StateWords(NamedTuple):
    """A state taken apart. `flags` are all words that are not the base state, in their order."""

    state: JobState
    flags: tuple[str, ...]
    cancelled_by: str | None


def parse_state(words: str | Iterable[str]) -> StateWords:
    """Takes a state apart; a word we have not learned gives UNKNOWN and stays among the flags."""
    text = words if isinstance(words, str) else "+".join(words)
    named, _, by = text.partition(" by ")
    parts = tuple(part.strip().upper() for part in named.replace(",", "+").split("+") if part.strip())
    state = next((_BASE[part] for part in parts if part in _BASE), None)
    if state is None:
        state = next((_IMPLIED_BASE[part] for part in parts if part in _IMPLIED_BASE), JobState.UNKNOWN)
    flags = tuple(part for part in parts if part != state.value)
    return StateWords(state, flags, by.strip() or None)


class RunTimes(NamedTuple):
    """Times of an execution that happened, and the one that is expected."""

    expected_start_s: int | None
    start_s: int | None
    end_s: int | None


def happened_times(state: JobState, has_nodes: bool, start_s: int | None, end_s: int | None) -> RunTimes:
    """Tells times that happened from those that Slurm writes into the same fields.

    A pending job's start is expected, a running job's end is where its limit runs out, and a job that was cancelled
    while it waited gets a start that never was.
    """
    if state is JobState.PENDING:
        return RunTimes(start_s, None, None)
    if not state.has_ended:
        return RunTimes(None, start_s, None)
    never_ran = state is JobState.CANCELLED and not has_nodes
    return RunTimes(None, None if never_ran else start_s, end_s)
