"""The lines' page: from a request of rsyslog to what a browser, a program and a tail are shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from slurmlens.config.hub import DatabaseConfig, HubConfig
from slurmlens.hub.database.store import StoreError
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.intake.log_lines import LogIntake
from slurmlens.hub.logs.enriching import Enricher
from slurmlens.hub.logs.keeping import LogKeeper
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.logs.tail import LogTail
from slurmlens.hub.views.logs.view import LogsView
from slurmlens.hub.web.app import make_app
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.job_hub import FixedHistory
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S

HOSTILE = "\x1b[31m<script>alert(1)</script>\u202e"


class Lines(NamedTuple):
    client: TestClient
    intake: LogIntake
    tail: LogTail
    keeper: LogKeeper
    history: History

    async def send(self, *documents: dict[str, object]) -> dict[str, object]:
        body = b"\n".join(map(msgspec.json.encode, documents))
        answer = await self.client.post("/api/v1/logs", data=body)
        assert answer.status == 200, await answer.text()
        return dict(msgspec.json.decode(await answer.read()))

    async def view(self, query: str = "") -> LogsView:
        answer = await self.client.get(f"/logs.json?since=365d&{query}")
        assert answer.status == 200, await answer.text()
        return msgspec.json.decode(await answer.read(), type=LogsView)


class Somebody:
    """Proves every request to be of one host."""

    async def node_of(self, headers: object, body: bytes) -> str:
        return "n1"


@pytest.fixture
def settings() -> HubConfig:
    return HubConfig(cluster="demo")


@pytest.fixture
async def lines(tmp_path: Path, settings: HubConfig) -> AsyncIterator[Lines]:
    clock = ManualClock()
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", clock)
    reporter = history.reporter
    await history.learn(
        record(JobState.RUNNING, job_id=7, nodes=("n1",)), record(JobState.RUNNING, job_id=8, nodes=("n2",))
    )
    store, tail, news = SqliteLogStore(tmp_path / "logs", 14, clock), LogTail(), history.news
    keeper = LogKeeper(store, Enricher(history.store, "demo", news), [tail.publish], news, clock, reporter)
    intake = LogIntake(
        max_body_bytes=10**6,
        prove=Somebody(),  # type: ignore[arg-type]
        forwarders=("n1",),
        keeper=keeper,
        zone=UTC,
        reporter=reporter,
        clock=clock,
    )
    nothing: dict[int, JobFacts] = {}
    app = make_app(
        queries=FixedHistory(nothing),
        progress=None,  # type: ignore[arg-type]
        inventory=None,  # type: ignore[arg-type]
        live=None,  # type: ignore[arg-type]
        take_events=intake.take,
        status=None,  # type: ignore[arg-type]
        logs=store,
        log_tail=tail,
        take_lines={"logs": intake.take},
        settings=settings,
        clock=clock,
    )
    async with TestClient(TestServer(app)) as client:
        yield Lines(client, intake, tail, keeper, history)
        tail.close()
    await store.close()
    await history.close()


def document(message: str, seconds: float = 10, **fields: object) -> dict[str, object]:
    return {"message": message, "host": "n1", "@timestamp": BEGIN_S + seconds, **fields}


async def test_a_line_finds_its_job_and_whose_that_is(lines: Lines) -> None:
    answer = await lines.send(
        document("Launching batch job 7 for UID 3001", program="slurmd"),
        document("step 3 of 10", 11, program="slurm_8", host="n2"),
        document("INFO: task app:5 blocked for more than 122 seconds.", 12, program="kernel"),
        document("nothing of a job", 13, program="sshd"),
    )
    assert (answer["accepted"], answer["refused"]) == (4, [])
    rows = {row.program: row for row in (await lines.view()).rows}
    assert [(rows[name].job_id, rows[name].user) for name in ("slurmd", "slurm_8", "kernel", "sshd")] == [
        (7, "alice"), (8, "alice"), (7, "alice"), (None, None),
    ]  # fmt: skip
    assert rows["kernel"].about == "by time: the only job on this node then"
    assert [row.message for row in (await lines.view("job=8")).rows] == ["step 3 of 10"]


@pytest.mark.parametrize(
    ("settings", "is_said"),
    [
        (HubConfig(cluster="demo"), False),
        (HubConfig(cluster="demo", database=DatabaseConfig(url="postgresql://x@y/z", shared=True)), True),
    ],
)
async def test_of_several_hubs_each_says_that_it_finds_its_own_lines_alone(lines: Lines, is_said: bool) -> None:
    await lines.send(document("here"))
    assert ((await lines.view()).note is not None) == is_said
    assert ("Lines that this hub took in" in await (await lines.client.get("/logs")).text()) == is_said


async def test_a_line_sent_again_is_known_and_a_bad_one_is_named(lines: Lines) -> None:
    await lines.send(document("once"))
    answer = await lines.send(document("once"), {"host": "n1"})
    assert (answer["accepted"], answer["known"]) == (0, 1)
    (refused,) = answer["refused"]  # type: ignore[misc]
    assert (refused["line"], "message" in refused["message"]) == (2, True)


async def test_the_page_shows_a_hostile_line_as_text_and_counts_over_time(lines: Lines) -> None:
    await lines.send(document(HOSTILE, severity="err"), document("fine", 400))
    page = await (await lines.client.get("/logs?since=365d")).text()
    assert "&lt;script&gt;alert(1)" in page
    assert not {"<script>alert", "\x1b", "\u202e"} & {
        part for part in ("<script>alert", "\x1b", "\u202e") if part in page
    }
    assert 'class="histogram"' in page
    assert "2 lines, 1 of them errors" in page


async def test_older_lines_are_a_link_away(lines: Lines) -> None:
    await lines.send(*(document(f"m{n}", n) for n in range(5)))
    first = await lines.view("limit=3")
    second = await lines.view(f"limit=3&after={first.next}")
    assert [row.message for row in (*first.rows, *second.rows)] == ["m4", "m3", "m2", "m1", "m0"]
    assert second.next is None


async def test_what_a_node_said_around_a_line(lines: Lines) -> None:
    await lines.send(*(document(f"m{n}", n, host="n2" if n == 2 else "n1") for n in range(5)))
    place = (await lines.view("text=m3")).rows[0].place
    around = await lines.view(f"node=n1&around={place}")
    assert [row.message for row in around.rows] == ["m4", "m3", "m1", "m0"]


@pytest.mark.parametrize(
    "query", ["since=yesterday", "severity=loud", "job=x", "limit=0", "after=1", "around=1-1", "until=9"]
)
async def test_a_filter_that_cannot_be_used_is_named(lines: Lines, query: str) -> None:
    answer = await lines.client.get(f"/logs.json?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in (await answer.json())["message"]


async def test_lines_are_followed_as_they_come(lines: Lines) -> None:
    answer = await lines.client.get("/logs/live?program=app")
    await answer.content.readuntil(b"\r\n\r\n")  # none so far: the stream is open
    reading = asyncio.create_task(answer.content.readuntil(b"\r\n\r\n"))
    await lines.send(document("not asked for", program="other"), document("now", program="app"))
    event = (await asyncio.wait_for(reading, 10)).decode()
    sent = msgspec.json.decode(event.partition("data: ")[2].strip())
    assert ([row["message"] for row in sent["rows"]], sent["skipped"]) == (["now"], 0)
    answer.close()


async def test_a_folder_that_takes_nothing_is_answered_so_that_the_sender_keeps_its_lines(
    lines: Lines, tmp_path: Path
) -> None:
    (tmp_path / "logs").rmdir()
    (tmp_path / "logs").write_text("a file")
    answer = await lines.client.post("/api/v1/logs", data=msgspec.json.encode(document("x")))
    assert answer.status == 503


async def test_a_line_that_came_before_its_job_was_known_is_completed(lines: Lines) -> None:
    await lines.send(document("early", 11, program="slurm_9"), document("INFO: task a:5 blocked", 12, program="kernel"))
    await lines.keeper.complete()
    assert [row.user for row in (await lines.view("job=9")).rows] == [None]
    await lines.history.learn(record(JobState.RUNNING, job_id=9, nodes=("n3",)))
    await lines.keeper.complete({9})
    assert [row.user for row in (await lines.view("job=9")).rows] == ["alice"]
    assert [row.message for row in (await lines.view("user=alice&job=9")).rows] == ["early"]


async def test_lines_are_kept_while_the_database_is_away_and_completed_later(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreError("no answer", reason="away")

    with monkeypatch.context() as patch:
        patch.setattr(lines.history.store, "read", away)
        answer = await lines.send(document("meanwhile", 11, program="slurm_7"))
    assert (answer["accepted"], answer["refused"]) == (1, [])
    assert [row.user for row in (await lines.view("job=7")).rows] == [None]
    await lines.keeper.complete()
    assert [row.user for row in (await lines.view("job=7")).rows] == ["alice"]
