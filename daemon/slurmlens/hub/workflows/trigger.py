"""A trigger: what is to be assessed, how far that is, and what follows when an attempt ends. Pure.

Owns the values and the rules of retrying. Made by `due`, carried on by `runner`, kept by `store`, shown by views.
"""

from __future__ import annotations

import enum

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.wire.assessment import Assessment, Ticket

MOST_PROBLEM = 500


class TriggerState(enum.Enum):
    """WAITING: nothing runs for it. INVOKED: a paused invocation is written down. RELEASED: it was let go. DONE: its
    report is here. FAILED: given up. LEFT_OUT: more than the rule allows an hour."""

    WAITING = "waiting"
    INVOKED = "invoked"
    RELEASED = "released"
    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left out"


OPEN = (TriggerState.WAITING, TriggerState.INVOKED, TriggerState.RELEASED)


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger as it stands. `begun_ns` is when its attempt began; `problem` is what went wrong last."""

    ticket: Ticket
    made_ns: int
    state: TriggerState = TriggerState.WAITING
    attempt: int = 1
    begun_ns: int | None = None
    due_ns: int = 0
    invocation: str | None = None
    problem: str | None = None
    report: Assessment | None = None

    @property
    def history_name(self) -> str:
        """The history in Galaxy of this attempt; by it everything of the attempt is found again."""
        return f"slurmlens {self.ticket.key} attempt {self.attempt}"


def after_failure(trigger: Trigger, problem: str, now_ns: int, *, attempts: int, retry_s: float) -> Trigger:
    """The attempt failed: another one later, from the beginning, or given up."""
    said = problem[:MOST_PROBLEM]
    if trigger.attempt >= attempts:
        return msgspec.structs.replace(trigger, state=TriggerState.FAILED, problem=said)
    wait_ns = round(retry_s * 2 ** (trigger.attempt - 1) * NS_PER_S)
    return msgspec.structs.replace(
        trigger,
        state=TriggerState.WAITING,
        attempt=trigger.attempt + 1,
        begun_ns=None,
        invocation=None,
        due_ns=now_ns + wait_ns,
        problem=said,
    )


def looked_again(trigger: Trigger, now_ns: int, wait_s: float, problem: str | None = None) -> Trigger:
    """Nothing can be said yet: the same again, later. It is no failure of the workflow's."""
    said = None if problem is None else problem[:MOST_PROBLEM]
    return msgspec.structs.replace(trigger, due_ns=now_ns + round(wait_s * NS_PER_S), problem=said)
