"""Mail is delivered once, to a real SMTP server, whatever happens in between; scheduled reports are queued once."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd import smtp
from sqlalchemy import create_engine, text

from slurmlens.config.management import ManagementConfig
from slurmlens.config.notices import MailConfig
from slurmlens.errors import DecodeError
from slurmlens.hub.database.store import Store
from slurmlens.hub.mail.delivering import MailDelivery
from slurmlens.hub.mail.message import Attachment, Mail, mail_id, mime_message
from slurmlens.hub.mail.queue import IN_DOUBT_S, MailQueue, MailState
from slurmlens.hub.reports.making import ReportMaker
from slurmlens.hub.reports.scheduled import ScheduledReports
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.certificates import Authority, server_context
from testkit.database_versions import take_back_to
from testkit.manual_clock import ManualClock

MAIL = Mail(
    to="boss@example.org", subject="Usage", text="12 core-hours", attachments=(Attachment("a.csv", "text/csv", b"a"),)
)


@dataclass
class Box:
    """What a server took, and how it answers."""

    answers: list[str] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith("250"):
            self.taken.append(envelope.content)
        return answer


async def listening(box: Box, **options: Any) -> asyncio.Server:
    """A server on a free port of this machine."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: smtp.SMTP(box, loop=loop, **options), "127.0.0.1", 0)


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
async def server(box: Box) -> AsyncIterator[asyncio.Server]:
    opened = await listening(box)
    yield opened
    opened.close()
    await opened.wait_closed()


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/hub.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
def queue(store: Store, clock: ManualClock) -> MailQueue:
    return MailQueue(store, clock)


def delivery(queue: MailQueue, clock: ManualClock, port: int, **settings: object) -> MailDelivery:
    config = MailConfig(host="127.0.0.1", port=port, security="none", sender="slurmlens@hub.example.org", **settings)
    return MailDelivery(queue, config, Reporter(Counters(), clock))


async def state_of(queue: MailQueue, number: str = "one") -> MailState:
    return (await queue.states())[number][0]


async def test_a_mail_that_is_queued_twice_is_sent_once(
    queue: MailQueue, clock: ManualClock, server: asyncio.Server, box: Box
) -> None:
    assert await queue.put("one", MAIL)
    assert not await queue.put("one", MAIL)
    sender = delivery(queue, clock, port_of(server))
    assert await sender.step()
    assert not await sender.step()
    assert not await queue.put("one", MAIL)
    (taken,) = box.taken
    message = email.message_from_bytes(taken, policy=default)
    assert (message["To"], message["Auto-Submitted"]) == ("boss@example.org", "auto-generated")
    assert [part.get_filename() for part in message.iter_attachments()] == ["a.csv"]
    assert await state_of(queue) is MailState.SENT


async def test_a_server_that_is_away_costs_a_pause_and_no_mail(
    queue: MailQueue, clock: ManualClock, server: asyncio.Server, box: Box
) -> None:
    await queue.put("one", MAIL)
    port = port_of(server)
    server.close()
    away = delivery(queue, clock, port)
    assert await away.step()
    assert await state_of(queue) is MailState.WAITING
    assert not await away.step()  # it is not due yet
    clock.advance(61)
    async with await listening(box) as again:
        assert await delivery(queue, clock, port_of(again)).step()
    assert len(box.taken) == 1
    assert await state_of(queue) is MailState.SENT


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_mail_goes_encrypted_to_a_server_that_an_authority_of_ours_vouches_for(
    queue: MailQueue, clock: ManualClock, box: Box, tmp_path: Path, security: str
) -> None:
    authority = Authority(tmp_path)
    context = server_context(authority.issue("127.0.0.1"))
    loop = asyncio.get_running_loop()
    options = {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
    encrypted = context if security == "tls" else None
    listener = await loop.create_server(lambda: smtp.SMTP(box, loop=loop, **options), "127.0.0.1", 0, ssl=encrypted)
    async with listener:
        config = MailConfig(host="127.0.0.1", port=port_of(listener), security=security, ca_file=authority.certificate)
        await queue.put("one", MAIL)
        assert await MailDelivery(queue, config, Reporter(Counters(), clock)).step()
        strange = MailConfig(host="127.0.0.1", port=port_of(listener), security=security)
        await queue.put("two", MAIL)
        assert await MailDelivery(queue, strange, Reporter(Counters(), clock)).step()
    assert len(box.taken) == 1
    assert (await state_of(queue), await state_of(queue, "two")) == (MailState.SENT, MailState.WAITING)


@pytest.mark.parametrize(
    ("answer", "state"), [("451 come back", MailState.WAITING), ("550 nobody here", MailState.FAILED)]
)
async def test_what_is_refused_for_now_waits_and_what_is_refused_for_ever_fails(
    queue: MailQueue, clock: ManualClock, server: asyncio.Server, box: Box, answer: str, state: MailState
) -> None:
    box.answers = [answer]
    await queue.put("one", MAIL)
    sender = delivery(queue, clock, port_of(server))
    await sender.step()
    assert await state_of(queue) is state
    clock.advance(3_600)
    await sender.step()
    assert len(box.taken) == (state is MailState.WAITING)


async def test_after_three_days_of_refusals_it_is_given_up(
    queue: MailQueue, clock: ManualClock, server: asyncio.Server, box: Box
) -> None:
    box.answers = ["451 later"] * 200
    await queue.put("one", MAIL)
    sender = delivery(queue, clock, port_of(server))
    for _ in range(5):
        await sender.step()
        clock.advance(86_400)
    assert await state_of(queue) is MailState.FAILED


async def test_a_mail_whose_sender_was_killed_is_in_doubt_and_not_sent_again(
    queue: MailQueue, clock: ManualClock, server: asyncio.Server, box: Box
) -> None:
    await queue.put("one", MAIL)
    assert await queue.claim() is not None  # and killed here
    sender = delivery(queue, clock, port_of(server))
    assert await queue.give_up_doubtful() == 0
    clock.advance(IN_DOUBT_S + 1)
    assert await queue.give_up_doubtful() == 1
    assert not await sender.step()
    assert box.taken == []
    assert await state_of(queue) is MailState.IN_DOUBT


async def test_two_claim_no_mail_twice(queue: MailQueue) -> None:
    await queue.put("one", MAIL)
    assert await queue.claim() is not None
    assert await queue.claim() is None


async def test_a_server_without_tls_gets_nothing_where_tls_is_wanted(
    queue: MailQueue, clock: ManualClock, server: asyncio.Server, box: Box
) -> None:
    await queue.put("one", MAIL)
    config = MailConfig(host="127.0.0.1", port=port_of(server), security="starttls")
    assert await MailDelivery(queue, config, Reporter(Counters(), clock)).step()
    assert await state_of(queue) is MailState.WAITING
    assert box.taken == []


def test_another_attempt_sends_the_same_bytes() -> None:
    assert (
        mime_message(MAIL, "one", 10**18, "a@b.c").as_bytes() == mime_message(MAIL, "one", 10**18, "a@b.c").as_bytes()
    )


@pytest.mark.parametrize("to", ["boss@example.org\r\nBcc: all@example.org", ""])
def test_no_header_is_written_by_an_address(to: str) -> None:
    mail = Mail(to=to, subject="x\r\nBcc: all@example.org", text="x")
    if to:
        with pytest.raises(DecodeError, match="no mail to"):
            mime_message(mail, "one", 0, "a@b.c")
    else:
        assert "Bcc" not in dict(mime_message(mail, "one", 0, "a@b.c"))


def test_an_id_tells_apart_what_it_is_made_of() -> None:
    assert mail_id("a", "bc") != mail_id("ab", "c")


async def test_a_report_is_queued_once_its_period_is_over_and_once_alone(
    queue: MailQueue, store: Store, clock: ManualClock, server: asyncio.Server, box: Box
) -> None:
    management = ManagementConfig(mail_reports=("month all boss@example.org",))
    maker = ReportMaker(UsageQueries(store, "demo"), "demo", management)

    def schedule() -> ScheduledReports:
        return ScheduledReports(maker, queue, "demo", management, clock)

    assert await schedule().queue_due() == 1
    assert await schedule().queue_due() == 0
    clock.advance(31 * 86_400)
    assert await schedule().queue_due() == 1
    sender = delivery(queue, clock, port_of(server))
    while await sender.step():
        pass
    assert len(box.taken) == 2
    first = email.message_from_bytes(box.taken[0], policy=default)
    assert first["Subject"].startswith("Usage of demo: 2026-")
    assert {part.get_content_type() for part in first.iter_attachments()} == {"text/csv", "text/html"}


async def test_a_database_of_before_has_a_queue_after_the_upgrade(tmp_path: Path, clock: ManualClock) -> None:
    url = f"sqlite:///{tmp_path}/old.sqlite3"
    await (await Store.open(url)).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        take_back_to(connection, 22)
    engine.dispose()
    upgraded = await Store.open(url)
    assert await MailQueue(upgraded, clock).put("one", MAIL)
    await upgraded.close()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM mail_queue")).scalar() == 1
    engine.dispose()
