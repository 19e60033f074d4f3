"""A short ordeal for each kind of promise; the long one is `make test-soak`. A red one prints its seed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from conservation.conftest import SEED
from conservation.ordeal import Outcome, Plan

Judged = Callable[[Plan], Awaitable[Outcome]]


async def test_whatever_breaks_acknowledging_receivers_get_every_accepted_event_once_whole_and_in_order(
    judged: Judged,
) -> None:
    outcome = await judged(Plan(SEED, events=4000, faults=40, receivers=("hub", "file", "beats")))
    assert not outcome.findings, outcome
    assert outcome.accepted == 4000
    assert sum(outcome.struck.values()) >= 30


async def test_what_a_resend_window_promises_holds_for_each_fault_alone(judged: Judged) -> None:
    outcome = await judged(Plan(SEED, events=2000, faults=15, receivers=("logstash",), one_by_one=True))
    assert not outcome.findings, outcome
    assert outcome.accepted == 2000
