"""Facts that cross from one hub to another arrive as they were, in payloads that the server takes."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.news import (
    BatchStored,
    Fact,
    JobLookedAt,
    Missed,
    News,
    RunsChanged,
    SightingBegan,
    SightingEnded,
)
from slurmlens.hub.workers.exchange import Exchange, facts_of, payloads
from testkit.waiting import until

job_ids = st.integers(1, 2**32)
facts = st.one_of(
    job_ids.map(RunsChanged),
    job_ids.map(SightingEnded),
    st.builds(SightingBegan, job_ids, st.text(max_size=200)),
    st.just(BatchStored()),
)


@given(st.lists(facts, max_size=400), st.text(max_size=64))
def test_facts_arrive_as_they_were_in_payloads_that_the_server_takes(told: list[Fact], worker: str) -> None:
    sent = list(payloads(worker, told))
    assert all(len(payload.encode()) < 8_000 for payload in sent)
    assert [fact for payload in sent for fact in facts_of(payload)[1]] == told
    assert {facts_of(payload)[0] for payload in sent} <= {worker}


def test_a_fact_that_no_payload_holds_becomes_one_that_was_missed() -> None:
    [payload] = payloads("a:1", [SightingBegan(7, "n" * 9_000), RunsChanged(8)])
    assert facts_of(payload)[1] == [Missed(), RunsChanged(8)]


async def test_what_one_hub_publishes_another_hears_and_none_hears_it_twice() -> None:
    one, other = News(), News()
    exchanges = {"a:1": Exchange(one), "b:1": Exchange(other)}
    sent: list[str] = []

    async def notify(payload: str) -> None:
        sent.append(payload)
        for name, exchange in exchanges.items():  # the server gives it to whoever sent it, too
            exchange.receive(name, payload)

    own, theirs = one.subscribe(RunsChanged), other.subscribe(RunsChanged)
    sending = [asyncio.ensure_future(exchange.send(name, notify)) for name, exchange in exchanges.items()]
    try:
        one.publish(RunsChanged(7))
        one.publish(RunsChanged(7))
        await until(lambda: sent, "it was sent")
        assert own.take_all() == [RunsChanged(7)]
        assert theirs.take_all() == [RunsChanged(7)]
        other.publish(RunsChanged(8))
        await until(lambda: len(sent) == 2, "the other's as well")
        assert own.take_all() == [RunsChanged(8)]
        assert len(sent) == 2
    finally:
        for task in sending:
            task.cancel()


def test_a_payload_of_another_release_has_everybody_read_anew() -> None:
    news = News()
    exchange, heard = Exchange(news), news.subscribe(JobLookedAt)
    for payload in ('["b:1",[["WhatIsNotKnown",{}]]]', "no json", '["b:1",[["RunsChanged",{"job_id":"x"}]]]'):
        exchange.receive("a:1", payload)
        assert heard.take_all() == [Missed()]


async def test_that_something_was_missed_is_told_here_and_sent_nowhere() -> None:
    news = News()
    exchange, heard = Exchange(news), news.subscribe(JobLookedAt)
    sent: list[str] = []

    async def notify(payload: str) -> None:
        sent.append(payload)

    sending = asyncio.ensure_future(exchange.send("a:1", notify))
    try:
        exchange.receive("a:1", '["b:1",[["Missed",{}]]]')
        assert heard.take_all() == [Missed()]
        news.publish(RunsChanged(7))
        await until(lambda: sent, "what is published here is sent")
        assert [facts_of(payload)[1] for payload in sent] == [[RunsChanged(7)]]
    finally:
        sending.cancel()
