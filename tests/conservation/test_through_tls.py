"""The ordeal over TLS: nothing is lost, and what is changed on its way is noticed, acknowledged or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from conservation.conftest import SEED
from conservation.ordeal import Outcome, Plan

Judged = Callable[[Plan], Awaitable[Outcome]]


async def test_over_tls_the_hub_gets_every_accepted_event_whatever_breaks(judged: Judged) -> None:
    outcome = await judged(Plan(SEED, events=2000, faults=20, receivers=("hub-tls",)))
    assert not outcome.findings, outcome
    assert outcome.accepted == 2000


async def test_over_tls_the_resend_window_holds_for_each_fault_alone(judged: Judged) -> None:
    outcome = await judged(Plan(SEED, events=1000, faults=10, receivers=("logstash-tls",), one_by_one=True))
    assert not outcome.findings, outcome
    assert outcome.accepted == 1000


async def test_over_tls_bytes_that_are_changed_are_noticed_and_sent_again(judged: Judged) -> None:
    kinds = ("corrupt in a frame, up", "corrupt in a frame, down")
    plan = Plan(SEED, events=400, faults=6, receivers=("logstash-tls",), one_by_one=True, kinds=kinds)
    outcome = await judged(plan)
    assert not outcome.findings, outcome
    assert sum(outcome.struck.values()) == plan.faults
