"""What is kept of a job is bounded, the latest, and its own affair."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S, Moment
from slurmlens.config.app_socket import AppSocketConfig
from slurmlens.errors import RefusedError
from slurmlens.node.appsocket.accounts import KEPT_S, JobAccounts
from slurmlens.wire.app_message import AppMessage, ToldEvent, ToldProgress

LIMITS = AppSocketConfig(messages_per_s=10.0, events_per_minute=3, tasks=2, names=3)


def at(seconds: float) -> Moment:
    return Moment(1_800_000_000 * NS_PER_S + round(seconds * NS_PER_S), round(seconds * NS_PER_S))


def progress(done: float, rank: int | None = 0, claimed: int | None = None, **values: float) -> AppMessage:
    return AppMessage(ToldProgress(done, 100.0, values), claimed, rank)


def refused(accounts: JobAccounts, job_id: int, message: AppMessage, seconds: float) -> str | None:
    try:
        accounts.take(job_id, "0", message, at(seconds))
    except RefusedError as error:
        return error.reason
    return None


def test_of_many_words_of_a_task_the_last_is_sent_once() -> None:
    accounts = JobAccounts(LIMITS)
    for second in range(20):
        accounts.take(7, "0", progress(second, loss=1.0 / (second + 1)), at(second))
    (news,) = accounts.news(at(20).boottime_ns)
    assert [(task.step, task.rank, task.done, task.values) for task in news.tasks] == [("0", 0, 19.0, {"loss": 0.05})]
    assert accounts.news(at(25).boottime_ns) == []


def test_a_flood_of_one_job_is_cut_and_another_job_is_heard() -> None:
    accounts = JobAccounts(LIMITS)
    answers = [refused(accounts, 7, progress(n), 1.0 + n * 1.5e-4) for n in range(1000)]
    assert answers.count(None) == 21
    assert set(answers) == {None, "rate"}
    assert refused(accounts, 8, progress(1), 1.1) is None


def test_names_tasks_and_events_are_bounded_and_those_known_go_on() -> None:
    accounts = JobAccounts(LIMITS)
    assert refused(accounts, 7, progress(1, a=1, b=1, c=1), 0) is None
    assert refused(accounts, 7, progress(2, d=1), 1) == "names"
    assert refused(accounts, 7, progress(3, rank=1), 2) is None
    assert refused(accounts, 7, progress(3, rank=2), 3) == "tasks"
    assert refused(accounts, 7, progress(4, a=2), 4) is None
    events = [refused(accounts, 7, AppMessage(ToldEvent(f"n{n}")), 5 + n) for n in range(5)]
    assert events == [None, None, None, "rate", "rate"]
    (news,) = accounts.news(at(10).boottime_ns)
    assert [message.text for message in news.messages] == ["n0", "n1", "n2"]


def test_who_says_that_it_is_another_job_is_refused() -> None:
    accounts = JobAccounts(LIMITS)
    assert refused(accounts, 7, progress(1, claimed=8), 0) == "claim"
    assert refused(accounts, 7, progress(1, claimed=7), 1) is None
    (news,) = accounts.news(at(2).boottime_ns)
    assert news.job_id == 7


def test_a_process_directly_in_the_jobs_folder_is_counted_with_the_extern_step() -> None:
    accounts = JobAccounts(LIMITS)
    accounts.take(7, None, progress(1), at(0))
    assert [task.step for task in accounts.news(0)[0].tasks] == ["extern"]


def test_the_account_of_a_silent_job_goes() -> None:
    accounts = JobAccounts(LIMITS)
    accounts.take(7, "0", progress(1), at(0))
    accounts.news(at(1).boottime_ns)
    assert len(accounts) == 1
    accounts.news(at(KEPT_S + 1).boottime_ns)
    assert len(accounts) == 0


_messages = st.builds(
    AppMessage,
    st.builds(
        ToldProgress,
        st.floats(0, 1e6),
        st.none() | st.floats(1, 1e6),
        st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1), max_size=4),
    )
    | st.builds(ToldEvent, st.text(min_size=1, max_size=9)),
    st.none() | st.integers(1, 3),
    st.none() | st.integers(0, 5),
)


@given(st.lists(st.tuples(st.integers(1, 3), _messages, st.floats(0, 0.3)), max_size=200))
def test_whatever_jobs_say_an_account_stays_in_its_bounds(said: list[tuple[int, AppMessage, float]]) -> None:
    accounts, seconds = JobAccounts(LIMITS), 0.0
    for job_id, message, pause_s in said:
        seconds += pause_s
        with contextlib.suppress(RefusedError):
            accounts.take(job_id, "0", message, at(seconds))
    for news in accounts.news(at(seconds).boottime_ns):
        assert len(news.tasks) <= LIMITS.tasks
        assert len({name for task in news.tasks for name in task.values}) <= LIMITS.names
        assert len(news.messages) <= LIMITS.events_per_minute + seconds / 20 + 1


def test_limits_are_checked_before_a_name_is_kept() -> None:
    accounts = JobAccounts(LIMITS)
    with pytest.raises(RefusedError):
        accounts.take(7, "0", progress(1, a=1, b=1, c=1, d=1), at(0))
    accounts.take(7, "0", progress(1, x=1, y=1, z=1), at(1))
