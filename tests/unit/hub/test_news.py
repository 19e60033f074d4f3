"""What has changed and who hears of it."""

from __future__ import annotations

import asyncio

import pytest

from slurmlens.config.hub import HubProfileConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.intake.profile_demand import ProfileDemand
from slurmlens.hub.news import (
    BeatReceived,
    Fact,
    Missed,
    News,
    NodesReceived,
    ProfileGrew,
    QueueReceived,
    RunsChanged,
    SightingBegan,
    Subscription,
)
from testkit.waiting import until


@pytest.fixture
def news() -> News:
    return News()


async def taken(hearer: Subscription, count: int) -> list[Fact]:
    return [await asyncio.wait_for(anext(hearer), 5) for _ in range(count)]


async def test_a_hearer_of_one_job_hears_of_it_in_order_and_of_no_other(news: News) -> None:
    hearer = news.subscribe(RunsChanged, ProfileGrew, job_id=7)
    for fact in (ProfileGrew(7), ProfileGrew(8), RunsChanged(7), SightingBegan(7, "n1")):
        news.publish(fact)
    assert await taken(hearer, 2) == [ProfileGrew(7), RunsChanged(7)]
    assert hearer.take_all() == []


async def test_a_hearer_of_all_hears_of_every_job(news: News) -> None:
    hearer = news.subscribe(RunsChanged)
    news.publish(RunsChanged(7))
    news.publish(RunsChanged(8))
    assert await taken(hearer, 2) == [RunsChanged(7), RunsChanged(8)]


async def test_a_slow_hearer_is_told_once_that_everything_may_have_changed_and_costs_no_memory(news: News) -> None:
    hearer = news.subscribe(RunsChanged, most_waiting=4)
    for job_id in range(999):
        news.publish(RunsChanged(job_id))
    waiting = hearer.take_all()
    assert waiting[0] == Missed()
    assert len(waiting) <= 4
    assert waiting.count(Missed()) == 1
    assert waiting[-1] == RunsChanged(998)
    news.publish(RunsChanged(7))
    assert hearer.take_all() == [RunsChanged(7)]


async def test_the_same_fact_twice_is_told_once_and_the_newest_of_a_kind_stands(news: News) -> None:
    hearer = news.subscribe(RunsChanged, BeatReceived, QueueReceived, NodesReceived)
    for fact in (
        RunsChanged(7),
        RunsChanged(7),
        BeatReceived("demo", "n1", frozenset({7})),
        BeatReceived("demo", "n2", frozenset()),
        BeatReceived("demo", "n1", frozenset()),
        QueueReceived(()),
        NodesReceived(()),
        QueueReceived([]),
    ):
        news.publish(fact)
    assert hearer.take_all() == [
        RunsChanged(7),
        BeatReceived("demo", "n2", frozenset()),
        BeatReceived("demo", "n1", frozenset()),
        NodesReceived(()),
        QueueReceived([]),
    ]


async def test_a_hearer_waits_until_there_is_something(news: News) -> None:
    hearer = news.subscribe(RunsChanged)
    hearing = asyncio.create_task(taken(hearer, 1))
    await until(lambda: hearer.is_idle, "the hearer waits")
    assert not hearing.done()
    news.publish(RunsChanged(7))
    assert not hearer.is_idle
    assert await hearing == [RunsChanged(7)]


async def test_who_has_closed_hears_no_more_and_is_forgotten(news: News) -> None:
    hearer, other = news.subscribe(RunsChanged), news.subscribe(RunsChanged)
    hearer.close()
    news.publish(RunsChanged(7))
    assert (hearer.take_all(), other.take_all()) == ([], [RunsChanged(7)])
    other.close()
    assert not news.is_heard(RunsChanged)


async def test_closing_ends_every_subscription_now_and_to_come(news: News) -> None:
    hearer = news.subscribe(RunsChanged)
    news.publish(RunsChanged(7))
    news.close()
    assert [fact async for fact in hearer] == [RunsChanged(7)]
    assert [fact async for fact in news.subscribe(RunsChanged)] == []


# --- how often nodes are asked


@pytest.fixture
def demand(news: News) -> ProfileDemand:
    return ProfileDemand(news, HubProfileConfig(live_interval_s=10, idle_interval_s=300))


def test_a_node_sends_often_while_somebody_watches_one_of_its_jobs(news: News, demand: ProfileDemand) -> None:
    news.publish(BeatReceived("demo", "n1", frozenset({7, 8})))
    news.publish(SightingBegan(9, "n2"))
    assert demand.wanted_interval_s("n1") == 300
    with demand.watch(EVERYBODY, 7), demand.watch(EVERYBODY, 9), demand.watch(EVERYBODY, 9):
        assert [demand.wanted_interval_s(node) for node in ("n1", "n2", "n3")] == [10, 10, 300]
        assert demand.watcher_count() == 3
        news.publish(BeatReceived("demo", "n1", frozenset({8})))
        assert demand.wanted_interval_s("n1") == 300
    assert demand.watcher_count() == 0
    assert demand.wanted_interval_s("n2") == 300


async def test_who_watches_hears_of_the_runs_and_of_the_profile(news: News, demand: ProfileDemand) -> None:
    with demand.watch(EVERYBODY, 7) as hearer:
        for fact in (RunsChanged(7), RunsChanged(8), ProfileGrew(7)):
            news.publish(fact)
        assert await taken(hearer, 2) == [RunsChanged(7), ProfileGrew(7)]


async def test_who_asked_once_counts_as_somebody_who_looks_for_a_while(
    news: News, demand: ProfileDemand, monkeypatch: pytest.MonkeyPatch
) -> None:
    news.publish(BeatReceived("demo", "n1", frozenset({7})))
    assert demand.wanted_interval_s("n1") == 300.0
    demand.looked(EVERYBODY, 7)
    assert demand.wanted_interval_s("n1") == 10.0
    monkeypatch.setattr("slurmlens.hub.intake.profile_demand.LOOKED_S", -1.0)
    demand.looked(EVERYBODY, 7)
    assert demand.wanted_interval_s("n1") == 300.0
