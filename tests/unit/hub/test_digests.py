"""The day as a mail: what ended, what failed and why, and what it cost; once, whoever asks again."""

from __future__ import annotations

import msgspec
import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.config.hub import HubConfig
from slurmlens.config.notices import MailConfig, NoticesConfig
from slurmlens.hub.access.viewer import Role, Viewer
from slurmlens.hub.mail.queue import MailQueue
from slurmlens.hub.notices.digests import Digests, Troubles
from slurmlens.hub.notices.facts import NoticeChannel, NoticeKind, Wish
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.views.home.digest import OutOfService
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock

ALICE = Viewer("alice", frozenset({Role.USER}))
GIB = 2**30
EVIL = "<b>evil</b>\n\u202eBcc: x@y.z"
CONFIG = HubConfig(
    cluster="demo",
    notices=NoticesConfig(
        mail=MailConfig(), operator_digests=("ops@example.org",), web_address="https://lens.example.org/"
    ),
)


async def nothing_wrong() -> Troubles:
    return Troubles([OutOfService("n9", "down", None)], ["F-1 n1 fails jobs"])


@pytest.fixture
async def wishes(history: History) -> NoticeStore:
    store = NoticeStore(history.store, "demo")
    await store.wish(Wish("alice", NoticeChannel.MAIL, "alice@example.org", frozenset({NoticeKind.DIGEST})))
    await store.wish(Wish("bob", NoticeChannel.MAIL, "bob@example.org", frozenset({NoticeKind.FAILED})))
    return store


@pytest.fixture
async def queue(history: History, clock: ManualClock, wishes: NoticeStore) -> MailQueue:
    """Five runs of alice's on the first day: three tasks of an array, one that ran out of memory, one that failed."""
    task = {"array_job_id": 10, "cpu_count": 4, "node_count": 1, "memory_bytes": GIB}
    await history.learn(
        *(record(JobState.COMPLETED, job_id=11 + number, end=600, array_task_id=number, **task) for number in range(3)),
        record(JobState.OUT_OF_MEMORY, job_id=20, end=60, cpu_count=8, node_count=2, memory_bytes=8 * GIB),
        record(JobState.FAILED, job_id=21, end=3600, name=EVIL, cpu_count=8, node_count=1),
    )
    clock.advance(86_400 + 3600 * 5)
    return MailQueue(history.store, clock)


def digests(history: History, wishes: NoticeStore, queue: MailQueue) -> Digests:
    return Digests(CONFIG, wishes, history.queries, queue, nothing_wrong, history.clock)


async def sent(queue: MailQueue) -> dict[str, tuple[str, str]]:
    found = {}
    while (claimed := await queue.claim()) is not None:
        found[claimed.mail.to] = claimed.mail.subject, claimed.mail.text
    return found


async def test_who_wishes_it_is_mailed_what_ended_what_failed_and_what_it_cost(
    history: History, wishes: NoticeStore, queue: MailQueue
) -> None:
    assert await digests(history, wishes, queue).queue_due() == 2
    mails = await sent(queue)
    assert set(mails) == {"alice@example.org", "ops@example.org"}
    subject, text = mails["alice@example.org"]
    assert subject.endswith(", 2 failed")
    assert subject.startswith("5 jobs ended on ")
    assert "3 tasks, " in text
    assert "--mem=8G" in text
    assert "Of it in jobs that failed: " in text
    assert "https://lens.example.org/me" in text
    assert "\u202e" not in text
    assert "evil" not in subject


async def test_operators_are_mailed_what_is_wrong_beside_it(
    history: History, wishes: NoticeStore, queue: MailQueue
) -> None:
    await digests(history, wishes, queue).queue_due()
    subject, text = (await sent(queue))["ops@example.org"]
    assert subject.endswith(", 1 node out, 1 findings open")
    assert "n9: down, no reason given" in text
    assert "F-1 n1 fails jobs" in text


async def test_a_day_is_mailed_once_and_a_day_without_an_end_not_at_all(
    history: History, wishes: NoticeStore, queue: MailQueue
) -> None:
    await digests(history, wishes, queue).queue_due()
    assert await digests(history, wishes, queue).queue_due() == 0
    history.clock.advance(86_400)
    assert await digests(history, wishes, queue).queue_due() == 1
    assert list(await sent(queue))[-1] == "ops@example.org"


async def test_a_day_before_the_wish_is_not_told(history: History, wishes: NoticeStore, queue: MailQueue) -> None:
    (wish,) = await wishes.wishes(ALICE)
    await wishes.wish(msgspec.structs.replace(wish, set_ns=history.clock.wall_ns() + NS_PER_S))
    await digests(history, wishes, queue).queue_due()
    assert set(await sent(queue)) == {"ops@example.org"}
