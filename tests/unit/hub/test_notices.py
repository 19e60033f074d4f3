"""People are told once of what they asked for: a stall, a limit that will be missed, a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.config.notices import MailConfig, NoticesConfig
from slurmlens.errors import DeliveryError, RefusedError
from slurmlens.events import JobMessage, JobProgress, TaskProgress
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.notices.channels import address_problem, channels_for, send_mail
from slurmlens.hub.notices.facts import UNLESS_NAMED, KeptNotice, NewNotice, NoticeChannel, NoticeKind, Wish
from slurmlens.hub.notices.job_wishes import JobWishStore
from slurmlens.hub.notices.judging import wishes_by_words
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.notices.stage import FIRST_PAUSE_S, GIVEN_UP_AFTER_S, NoticeStage
from slurmlens.hub.progress.read import ProgressQueries
from slurmlens.slurm.records import JobState
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.ruled_hub import browser, ruled_hub
from testkit.told_events import BEGIN_S, Told, at_ns

ALL = UNLESS_NAMED | {NoticeKind.DIGEST}
ALICE = Viewer("alice", frozenset({Role.USER}))


class Hooks:
    """A webhook's server: what it was told, and what it answers."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.status = 200

    async def take(self, request: web.Request) -> web.Response:
        self.told.append(await request.json())
        return web.Response(status=self.status, headers={"Location": "http://127.0.0.1:9/"})


@pytest.fixture
async def hooks() -> AsyncIterator[tuple[Hooks, str]]:
    hooks, app = Hooks(), web.Application()
    app.router.add_post("/hook", hooks.take)
    async with TestServer(app) as server:
        yield hooks, str(server.make_url("/hook"))


def stage_of(history: History, clock: ManualClock, config: NoticesConfig) -> tuple[NoticeStage, NoticeStore, Counters]:
    store, counters = NoticeStore(history.store, "demo"), Counters()
    progress, wishes = ProgressQueries(history.store, history.beats, "demo"), JobWishStore(history.store, "demo")
    reporter = Reporter(counters, clock)
    return (
        NoticeStage(config, store, history.queries, progress, wishes, channels_for(config), clock, reporter),
        store,
        counters,
    )


def told_progress(told: Told, done: float, seconds: float) -> JobProgress:
    task = TaskProgress(step="0", rank=0, time_ns=at_ns(seconds), done=done, total=1000.0, values={})
    return JobProgress(
        id=f"p{seconds}",
        time_ns=at_ns(seconds),
        boot_id="0" * 36,
        boottime_ns=1000 * NS_PER_S + round(seconds * NS_PER_S),
        cluster="demo",
        node=told.node,
        sighting=told.sighting,
        job_id=told.job_id,
        tasks=(task,),
    )


def host_of(url: str) -> str:
    return url.removeprefix("http://").partition("/")[0]


def move_to(clock: ManualClock, seconds: float) -> None:
    clock.advance(BEGIN_S + seconds - clock.wall_ns() / NS_PER_S)


async def test_a_failure_is_told_once_however_often_is_looked(
    history: History, clock: ManualClock, hooks: tuple[Hooks, str]
) -> None:
    server, url = hooks
    stage, store, _ = stage_of(history, clock, NoticesConfig(webhook_hosts=(host_of(url),), web_address="https://hub/"))
    await store.wish(Wish("alice", NoticeChannel.WEBHOOK, url, ALL, at_ns(1)))
    await history.learn(
        record(JobState.FAILED, job_id=7, end=60, name='a"b\n<c>'),
        record(JobState.COMPLETED, job_id=8, end=60),
        record(JobState.FAILED, job_id=9, end=-5000, start=-6000, submit=-7000),
    )
    move_to(clock, 120)
    await stage.turn()
    await stage.turn()
    again, _, _ = stage_of(history, clock, NoticesConfig(webhook_hosts=(host_of(url),)))  # the hub began anew
    await again.turn()
    (told,) = server.told
    assert (told["kind"], told["job_id"], told["run"]) == ("failed", 7, 1)
    assert told["subject"].startswith("job 7 (")
    assert "https://hub/jobs/7/1" in told["text"]
    assert "\n<c>" not in told["text"]


async def test_who_wishes_it_is_told_each_jobs_whole_report_once_it_is_over_but_of_no_task_of_an_array(
    history: History, clock: ManualClock, hooks: tuple[Hooks, str]
) -> None:
    server, url = hooks
    config = NoticesConfig(webhook_hosts=(host_of(url),), web_address="https://hub/")
    stage, store, _ = stage_of(history, clock, config)
    ended = frozenset({NoticeKind.ENDED, NoticeKind.FAILED})
    await store.wish(Wish("alice", NoticeChannel.WEBHOOK, url, ended, at_ns(1)))
    await history.learn(
        record(JobState.COMPLETED, job_id=7, end=60),
        record(JobState.FAILED, job_id=8, end=60, exit_code=42),
        record(JobState.COMPLETED, job_id=9, end=60, array_job_id=5, array_task_id=1),
        record(JobState.FAILED, job_id=10, end=60, array_job_id=5, array_task_id=2),
        record(JobState.RUNNING, job_id=11),
    )
    move_to(clock, 90)
    await stage.turn()
    assert [(one["kind"], one["job_id"]) for one in server.told] == [("failed", 10)], "nodes are still telling"
    move_to(clock, 180)
    await stage.turn()
    await stage.turn()
    told = {one["job_id"]: one for one in server.told if one["kind"] == "ended"}
    assert sorted(told) == [7, 8]
    assert len(server.told) == 3
    assert told[8]["text"].startswith("Job 8")
    assert "FAILED 42:0" in told[8]["text"].splitlines()[0]
    assert told[7]["text"].endswith("https://hub/jobs/7/1")


async def test_a_job_that_stands_still_and_one_that_will_be_too_late_are_told_while_they_run(
    history: History, clock: ManualClock, hooks: tuple[Hooks, str]
) -> None:
    server, url = hooks
    stage, store, _ = stage_of(history, clock, NoticesConfig(webhook_hosts=(host_of(url),)))
    await store.wish(Wish("alice", NoticeChannel.WEBHOOK, url, ALL))
    still, late = Told(job_id=7, node="n1"), Told(job_id=8, node="n1")
    await history.learn(
        record(JobState.RUNNING, job_id=7, nodes=("n1",), time_limit_s=90_000),
        record(JobState.RUNNING, job_id=8, nodes=("n1",), time_limit_s=700),
    )
    await history.hear(still.start(0), late.start(0))
    for step in range(1, 11):
        await history.hear(told_progress(still, step, 10.0 * step), told_progress(late, step, 60.0 * step))
    move_to(clock, 650)
    await history.hear(still.beat(650, still.sighting, late.sighting))
    await stage.turn()
    await stage.turn()
    assert sorted((one["job_id"], one["kind"]) for one in server.told) == [(7, "stalled"), (8, "limit")]


async def test_who_is_away_is_told_later_and_who_refuses_never_again(
    history: History, clock: ManualClock, hooks: tuple[Hooks, str]
) -> None:
    server, url = hooks
    stage, store, counters = stage_of(history, clock, NoticesConfig(webhook_hosts=(host_of(url),)))
    await store.wish(Wish("alice", NoticeChannel.WEBHOOK, url, ALL))
    await history.learn(record(JobState.FAILED, job_id=7, end=60))
    move_to(clock, 120)
    server.status = 503
    await stage.turn()
    await stage.turn()
    assert len(server.told) == 1  # it is not hammered
    clock.advance(FIRST_PAUSE_S + 1)
    server.status = 302  # redirects are not followed: the host was allowed, not what it names
    await stage.turn()
    clock.advance(7200)
    await stage.turn()
    assert len(server.told) == 2
    assert counters.snapshot()['notices_not_sent_total{reason="refused"}'] == 1


async def test_what_nobody_takes_for_a_day_is_given_up(
    history: History, clock: ManualClock, hooks: tuple[Hooks, str]
) -> None:
    server, url = hooks
    stage, store, counters = stage_of(history, clock, NoticesConfig(webhook_hosts=(host_of(url),)))
    await store.wish(Wish("alice", NoticeChannel.WEBHOOK, url, ALL))
    await history.learn(record(JobState.FAILED, job_id=7, end=60))
    move_to(clock, 120)
    server.status = 503
    await stage.turn()
    clock.advance(GIVEN_UP_AFTER_S + 1)
    await stage.turn()
    clock.advance(GIVEN_UP_AFTER_S)
    await stage.turn()
    assert len(server.told) == 2
    assert counters.snapshot()['notices_not_sent_total{reason="busy"}'] == 1


async def test_many_failures_are_not_all_told_at_once(
    history: History, clock: ManualClock, hooks: tuple[Hooks, str]
) -> None:
    server, url = hooks
    config = NoticesConfig(webhook_hosts=(host_of(url),), most_an_hour=3)
    stage, store, _ = stage_of(history, clock, config)
    await store.wish(Wish("alice", NoticeChannel.WEBHOOK, url, ALL))
    await history.learn(*(record(JobState.FAILED, job_id=number, end=60) for number in range(1, 11)))
    move_to(clock, 120)
    for _ in range(4):
        await stage.turn()
    assert len(server.told) == 3


async def test_a_receiver_that_hangs_is_tried_once_a_turn_and_holds_up_nobody_else(
    history: History, clock: ManualClock
) -> None:
    tried: list[str] = []
    bob_was_told = asyncio.Event()

    async def send(kept: KeptNotice) -> None:
        tried.append(kept.notice.user)
        if kept.notice.user == "alice":
            async with asyncio.timeout(10):
                await bob_was_told.wait()
            raise DeliveryError("no answer", reason="away")
        bob_was_told.set()

    stage, store, _ = stage_of(history, clock, NoticesConfig(webhook_hosts=("127.0.0.1",)))
    stage._channels = {NoticeChannel.WEBHOOK: send}
    await store.wish(Wish("alice", NoticeChannel.WEBHOOK, "http://127.0.0.1/a", ALL))
    await store.wish(Wish("bob", NoticeChannel.WEBHOOK, "http://127.0.0.1/b", ALL))
    for user, first in (("alice", 1), ("bob", 5)):
        failed = [record(JobState.FAILED, job_id=number, end=60) for number in range(first, first + 3)]
        await history.learn(*(msgspec.structs.replace(one, user=user) for one in failed))
    move_to(clock, 120)
    await stage.turn()
    assert sorted(tried) == ["alice", "bob", "bob", "bob"]
    assert await store.due(EVERYBODY, clock.wall_ns()) == []


async def test_wishes_are_ones_own(history: History) -> None:
    store = NoticeStore(history.store, "demo")
    await store.wish(Wish("alice", NoticeChannel.MAIL, "a@example.org", ALL))
    await store.wish(Wish("bob", NoticeChannel.MAIL, "b@example.org", frozenset({NoticeKind.FAILED})))
    assert [wish.user for wish in await store.wishes(ALICE)] == ["alice"]
    assert len(await store.wishes(EVERYBODY)) == 2
    await store.forget("alice", NoticeChannel.MAIL)
    assert await store.wishes(ALICE) == []


@pytest.mark.parametrize(
    ("channel", "address", "words"),
    [
        (NoticeChannel.WEBHOOK, "https://chat.example.org/x", None),
        (NoticeChannel.WEBHOOK, "https://169.254.169.254/latest", "not at 169.254.169.254"),
        (NoticeChannel.WEBHOOK, "https://chat.example.org@evil.org/", "not at evil.org"),
        (NoticeChannel.WEBHOOK, "https://u:p@chat.example.org/", "not at"),
        (NoticeChannel.WEBHOOK, "http://chat.example.org:6379/", "not at chat.example.org:6379"),
        (NoticeChannel.WEBHOOK, "http://bots.example.org:8443/", None),
        (NoticeChannel.WEBHOOK, "http://bots.example.org/", "not at bots.example.org"),
        (NoticeChannel.WEBHOOK, "file:///etc/passwd", "no address of a webhook"),
        (NoticeChannel.MAIL, "alice@example.org", None),
        (NoticeChannel.MAIL, "alice@example.org\nBcc: x@y", "no mail address"),
        (NoticeChannel.MAIL, "alice@example.org, bob@example.org", "no mail address"),
        (NoticeChannel.MAIL, "alice", "no mail address"),
        (NoticeChannel.MAIL, "al.ice+x@mail.example.org", None),
    ],
)
def test_only_what_may_be_told_is_taken(channel: NoticeChannel, address: str, words: str | None) -> None:
    config = NoticesConfig(webhook_hosts=("chat.example.org", "bots.example.org:8443"), mail=MailConfig())
    problem = address_problem(config, channel, address)
    assert (problem is None) if words is None else words in str(problem)


ODD_MAIL = (
    "a@b@c", "a@b:c", "g:a@b", "undisclosed:@b", "(a)@b", "a@b(c)d@e", "a@(b", "a@b]", "a[@b", "a@[1.2.3.4]", "a@b.",
    "..@b", ".@.", "a@b:", "a@=?utf-8?b?ZXZpbEB4?=", "=?utf-8?q?x=40y?=@z", "ü@example.org", "a@\u2028b", "a\xa0b@c",
    "a@-", "", "@", "a" * 250 + "@b.org",
)  # fmt: skip
ODD_WEB = (
    "http://[::1", "http://[/", "http://chat.example.org:99999/", "http://chat.example.org:abc/", "http:///x",
    "http://chat.example.org:0/", "http://chat.example.org\\@evil.org/", "http://chat.example.org/\r\nX: y",
    "http:\n//chat.example.org/", "http://chat.example.org:\uff11/", "http://chat\u3002example.org/", "", "://",
    "http://chat.example.org/ x", "http://chat.example.org/" + "x" * 1000,
)  # fmt: skip


@pytest.mark.parametrize("address", ODD_MAIL)
def test_an_address_that_programs_read_in_different_ways_is_no_mail_address(address: str) -> None:
    problem = address_problem(NoticesConfig(mail=MailConfig()), NoticeChannel.MAIL, address)
    assert problem is not None
    assert "no mail address" in problem


@pytest.mark.parametrize("address", ODD_WEB)
def test_an_address_that_programs_read_in_different_ways_is_no_webhook(address: str) -> None:
    problem = address_problem(NoticesConfig(webhook_hosts=("chat.example.org",)), NoticeChannel.WEBHOOK, address)
    assert problem is not None
    assert "no address of a webhook" in problem


@given(st.text(max_size=60).map("http://{}".format) | st.text(max_size=60))
def test_any_text_is_an_address_or_is_refused(address: str) -> None:
    config = NoticesConfig(webhook_hosts=("chat.example.org", "bots.example.org:8443"), mail=MailConfig())
    for channel in NoticeChannel:
        assert isinstance(address_problem(config, channel, address), str | None)


def test_a_text_that_cannot_be_written_is_refused_and_holds_nobody_up() -> None:
    kept = mail_to("alice@example.org")
    odd = msgspec.structs.replace(kept, notice=msgspec.structs.replace(kept.notice, text="\ud800"))
    with pytest.raises(RefusedError, match="no mail"):
        send_mail(MailConfig(), odd)


class Inbox:
    """What a mail server took; it refuses one recipient for ever and one for now."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        replies = {"never@example.org": "550 no such user", "later@example.org": "451 try later"}
        if address in replies:
            return replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.append(envelope.content.decode())
        return "250 OK"


def mail_to(address: str) -> KeptNotice:
    notice = NewNotice(
        user="alice",
        channel=NoticeChannel.MAIL,
        address=address,
        kind=NoticeKind.STALLED,
        job_id=7,
        run=1,
        subject="job 7 (ä\n.x): no progress",
        text="Job 7\n.\nhttps://hub/jobs/7/1",
    )
    return KeptNotice(made_ns=BEGIN_S * NS_PER_S, attempts=0, notice=notice)


async def test_a_mail_arrives_whole_and_refusals_are_told_apart(unused_tcp_port: int) -> None:
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=unused_tcp_port)
    server.start()
    config = MailConfig(host="127.0.0.1", port=unused_tcp_port, security="none")
    try:
        await asyncio.to_thread(send_mail, config, mail_to("alice@example.org"))
        with pytest.raises(RefusedError, match="550"):
            await asyncio.to_thread(send_mail, config, mail_to("never@example.org"))
        with pytest.raises(DeliveryError, match="451"):
            await asyncio.to_thread(send_mail, config, mail_to("later@example.org"))
    finally:
        server.stop()
    (mail,) = inbox.taken
    assert "To: alice@example.org" in mail
    assert "https://hub/jobs/7/1" in mail
    assert "\n.\n" in mail.replace("\r\n", "\n")
    with pytest.raises(DeliveryError, match="no mail server"):
        await asyncio.to_thread(send_mail, config, mail_to("alice@example.org"))


async def test_a_user_sets_what_he_is_told_by_the_hubs_address(tmp_path: Any) -> None:
    async with ruled_hub(tmp_path) as hub, browser(hub) as client:
        cookies, address = await hub.cookies("bob"), "https://chat.example.org/hook"
        asked = {"channel": "webhook", "address": address, "kinds": "stalled limit"}
        answer = await client.post("/api/v1/me/notices", params=asked, cookies=cookies)
        view = msgspec.json.decode(await answer.read())
        assert (view["user"], [one["address"] for one in view["wishes"]]) == ("bob", [address])
        assert sorted(view["wishes"][0]["kinds"]) == ["limit", "stalled"]
        bad = await client.post("/api/v1/me/notices", params=asked | {"kinds": "weather"}, cookies=cookies)
        assert (bad.status, "weather" in await bad.text()) == (400, True)
        away = await client.post("/api/v1/me/notices", params=asked | {"address": "http://x/"}, cookies=cookies)
        assert away.status == 400
        none = await client.post("/api/v1/me/notices", params={"channel": "webhook"}, cookies=cookies)
        assert msgspec.json.decode(await none.read())["wishes"] == []


# --- a job asks itself


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", [("mail", "own@x.org", "failed limit stalled")]),
        ("failed", [("mail", "own@x.org", "failed")]),
        ("ended", [("mail", "own@x.org", "ended")]),
        ("stalled, limit b@y.org", [("mail", "b@y.org", "limit stalled")]),
        ("https://chat.x/h,c@y.org,d@y.org", [("mail", "c@y.org", ""), ("webhook", "https://chat.x/h", "")]),
        ("rubbish", [("mail", "own@x.org", "")]),
    ],
)
def test_what_a_job_asks_for_is_kinds_and_addresses_in_any_order(
    words: str, expected: list[tuple[str, str, str]]
) -> None:
    own = [Wish("alice", NoticeChannel.MAIL, "own@x.org", ALL)]
    found = sorted((wish.channel.value, wish.address, wish.kinds) for wish in wishes_by_words(words, own, "alice"))
    assert [(channel, address) for channel, address, _ in found] == [one[:2] for one in expected]
    for (_, _, kinds), (_, _, named) in zip(found, expected, strict=True):
        assert kinds == (frozenset(map(NoticeKind, named.split())) or UNLESS_NAMED)


async def test_a_job_that_asks_by_its_environment_is_told_of_once_and_no_other(
    history: History, clock: ManualClock, hooks: tuple[Hooks, str]
) -> None:
    server, url = hooks
    stage, _, _ = stage_of(history, clock, NoticesConfig(webhook_hosts=(host_of(url),)))
    told, other = Told(7), Told(8)
    message = JobMessage(
        id="m1",
        time_ns=at_ns(2),
        boot_id="0" * 36,
        boottime_ns=1,
        cluster="demo",
        node=told.node,
        sighting=told.sighting,
        job_id=7,
        step="0",
        text="asks for notices",
        notify=f"failed,{url}",
    )
    await history.hear(told.start(1), other.start(1), message)
    await history.hear(message)  # told again after a restart
    ended = [record(JobState.FAILED, job_id=job_id, end=60) for job_id in (7, 8)]
    await history.learn(*ended)
    move_to(clock, 120)
    await stage.turn()
    await stage.turn()
    assert [(one["kind"], one["job_id"]) for one in server.told] == [("failed", 7)]
    clock.advance(7200)
    await stage.turn()
    assert await JobWishStore(history.store, "demo").open(EVERYBODY) == []


async def test_a_job_cannot_have_others_called_that_the_hub_may_not_call(
    history: History, clock: ManualClock, hooks: tuple[Hooks, str]
) -> None:
    server, url = hooks
    stage, store, _ = stage_of(history, clock, NoticesConfig(webhook_hosts=("chat.example.org",)))
    told = Told(7)
    asked = {"id": "m1", "time_ns": at_ns(2), "boot_id": "0" * 36, "boottime_ns": 1, "cluster": "demo"}
    message = JobMessage(
        node=told.node, sighting=told.sighting, job_id=7, step="0", text="x", notify=f"{url} a@b.org", **asked
    )
    await history.hear(told.start(1), message)
    await history.learn(record(JobState.FAILED, job_id=7, end=60))
    move_to(clock, 120)
    await stage.turn()
    assert server.told == []
    assert await store.due(EVERYBODY, clock.wall_ns()) == []
