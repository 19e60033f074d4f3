"""Lines that Logstash wrote into a real OpenSearch: found by operators, and by users where they name their owner."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from deploy.components.opensearch import OpenSearch

from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.logs.logstash_index import LogstashIndex
from slurmlens.hub.logs.query import LogQuery
from testkit.log_store_promises import AT_NS, S, messages
from testkit.manual_clock import ManualClock

ALICE = Viewer("alice", frozenset({Role.USER}))


def of_2015(second: int, message: str, **fields: object) -> dict[str, object]:
    stamp = f"2015-05-09T10:00:{second:02}.000Z"
    return {"@timestamp": stamp, "logsource": "n1", "message": message, "type": "syslog", "severity": 6, **fields}


DOCUMENTS = (
    of_2015(1, "Launching batch job 10 for UID 4002", program="slurmd", slurm_jobid="10"),
    of_2015(2, "Job failed", program="slurm_out", slurm_jobid="13", slurm={"job_id": 13, "user": "alice"}),
    of_2015(3, "seen by alice-two alone", program="app", slurm={"job_id": 14, "user": "alice-two"}),
    of_2015(4, "out of memory", program="kernel", severity=3),
    *(of_2015(5, f"same moment {number}", program="app") for number in range(7)),
    {"@timestamp": "2015-05-09T10:00:30Z", "note": "no line at all"},
)


@pytest.fixture
async def index(opensearch: OpenSearch) -> AsyncIterator[LogstashIndex]:
    name = f"logstash-{uuid.uuid4().hex[:12]}"
    async with ClientSession(opensearch.url) as session:
        for number, document in enumerate(DOCUMENTS):
            await _ask(session, "PUT", f"/{name}-2015.05.09/_doc/{number}", document)
        await _ask(session, "POST", f"/{name}-*/_refresh")
        settings = SearchServerConfig(url=opensearch.url, index=f"{name}-*", read_only=True)
        made = LogstashIndex(settings, ManualClock())
        yield made
        await made.close()
        await _ask(session, "DELETE", f"/{name}-2015.05.09")


async def _ask(session: ClientSession, method: str, path: str, body: Any = None) -> None:
    async with session.request(method, path, json=body) as answer:
        assert answer.status in (200, 201), await answer.text()


async def test_an_operator_finds_lines_by_what_they_are_called_there(index: LogstashIndex) -> None:
    queries: dict[str, dict[str, object]] = {
        "Launching batch job 10 for UID 4002": {"job_id": 10},
        "Job failed": {"program": "slurm_out", "node": "n1"},
        "out of memory": {"severity": 3},
        "seen by alice-two alone": {"user": "alice-two"},
    }
    for message, query in queries.items():
        assert await messages(index, **query) == [message], query
    assert await messages(index, text="memory out") == ["out of memory"]
    (stored,) = (await index.search(EVERYBODY, LogQuery(job_id=10))).lines
    assert (stored.line.kind, stored.line.node, stored.line.time_ns % 10**9) == ("batch_launched", "n1", 0)


async def test_a_user_finds_lines_that_name_him_as_a_whole(index: LogstashIndex) -> None:
    assert await messages(index, ALICE) == ["Job failed"]
    assert await messages(index, Viewer("alice", frozenset({Role.USER})), text="alone") == []
    assert await messages(index, Viewer("nobody", frozenset({Role.USER}))) == []


async def test_pages_go_on_within_one_moment(index: LogstashIndex) -> None:
    found: list[str] = []
    place = None
    while True:
        page = await index.search(EVERYBODY, LogQuery(limit=3, after=place))
        found += [stored.line.message for stored in page.lines]
        if not page.has_more:
            break
        place = page.lines[-1].place
    assert sorted(found) == sorted(str(one["message"]) for one in DOCUMENTS if "message" in one)


async def test_the_course_and_the_surroundings_are_shown(index: LogstashIndex) -> None:
    (stored,) = (await index.search(EVERYBODY, LogQuery(severity=3))).lines
    around = await index.around(EVERYBODY, "n1", stored.place, count=2)
    assert [one.line.message for one in around.lines[2:]] == ["out of memory", "seen by alice-two alone"]
    since_ns = stored.place.time_ns // (60 * S) * 60 * S
    (slot,) = await index.histogram(EVERYBODY, LogQuery(), since_ns, 60 * S)
    assert (slot.begin_ns, slot.lines, slot.errors) == (since_ns, len(DOCUMENTS) - 1, 1)
    assert since_ns < AT_NS


async def test_its_health_says_that_somebody_else_writes_it(index: LogstashIndex) -> None:
    health = await index.health()
    assert (health.is_written, health.kind, len(health.days)) == (False, "OpenSearch", 1)
