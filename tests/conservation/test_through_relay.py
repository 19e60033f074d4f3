"""A relay between node and hub, itself under the judge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from conservation.conftest import SEED
from conservation.ordeal import Outcome, Plan


async def test_what_comes_through_a_relay_is_every_accepted_event_once_whole_and_in_order(
    judged: Callable[[Plan], Awaitable[Outcome]],
) -> None:
    outcome = await judged(Plan(SEED, events=2000, faults=20, receivers=("relay",)))
    assert not outcome.findings, outcome
    assert outcome.accepted == 2000
    assert any(kind.endswith(" relay") for kind in outcome.struck), outcome.struck
