"""Documents that are asked about come back with their job: the wish of 2015, and what ECS calls it today."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from slurmlens.hub.database.store import StoreError
from slurmlens.hub.intake.enriching import DocumentEnricher
from slurmlens.hub.logs.enriching import Enricher
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S

LAUNCHED = {"message": "slurmd: Launching batch job 10 for UID 4002"}


class Asked(NamedTuple):
    answers: DocumentEnricher
    history: History

    async def one(self, document: object, form: str = "", speaker: str = "n1") -> Any:
        status, body = await self.raw(msgspec.json.encode(document), form, speaker)
        assert status == 200, body
        return msgspec.json.decode(body)

    async def raw(self, body: bytes, form: str = "", speaker: str = "n1") -> tuple[int, bytes]:
        take = self.answers.enrich_2015 if form else self.answers.enrich
        return await take(body, {"speaker": speaker}, None)


class ByWord:
    """Believes who the header says it is."""

    async def node_of(self, headers: dict[str, str], body: bytes) -> str:
        return headers["speaker"]


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    clock = ManualClock()
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", clock)
    running = record(JobState.RUNNING, job_id=10, nodes=("n3", "n1", "n2"), name="PingPong", account="BetterWorld")
    await history.learn(msgspec.structs.replace(running, user="Herbert"))
    answers = DocumentEnricher(
        max_body_bytes=10**6,
        prove=ByWord(),  # type: ignore[arg-type]
        forwarders=("loghost",),
        enricher=Enricher(history.store, "demo", history.news),
        zone=UTC,
        clock=clock,
    )
    yield Asked(answers, history)
    await history.close()


async def test_the_example_of_2015_comes_out_as_it_was_wished_for(asked: Asked) -> None:
    document = await asked.one(LAUNCHED, "2015")
    assert document["message"] == "Job 'PingPong' owned by 'Herbert' (Project: BetterWorld) started"
    assert document["original_msg"] == LAUNCHED["message"]
    assert (document["masternode"], document["nodelist"], document["slurm_jobid"]) == ("n3", "n[1-3]", "10")


async def test_ecs_has_job_user_account_partition_and_how_they_are_known(asked: Asked) -> None:
    document = await asked.one({**LAUNCHED, "host": {"name": "n1"}, "labels": {"site": "x"}, "slurm": {"own": 1}})
    assert document["message"] == LAUNCHED["message"]
    assert document["labels"] == {"site": "x"}
    assert document["slurm"] == {
        "own": 1, "job_id": 10, "job_source": "text", "line_kind": "batch_launched", "job_name": "PingPong",
        "user": "Herbert", "account": "BetterWorld", "partition": "all", "nodes": "n[1-3]",
    }  # fmt: skip
    assert "tags" not in document


async def test_a_tag_and_a_step_are_found_too(asked: Asked) -> None:
    tagged = await asked.one({"message": "iteration 7", "program": "slurm_10"})
    assert (tagged["slurm"]["user"], tagged["slurm"]["job_source"]) == ("Herbert", "tag")
    step = await asked.one({"message": "[10.batch] done with job", "program": "slurmstepd"})
    assert step["slurm"]["step_id"] == "batch"


async def test_many_documents_are_answered_in_their_order_and_form(asked: Asked) -> None:
    many = [{"message": "a", "program": f"slurm_{number}"} for number in (10, 11, 10)]
    answered = await asked.one(many)
    assert [one["slurm"].get("user") for one in answered] == ["Herbert", None, "Herbert"]
    assert [one.get("tags") for one in answered] == [None, ["_slurmlens_unknown_job"], None]
    _, body = await asked.raw(b"\n".join(map(msgspec.json.encode, many)))
    assert [msgspec.json.decode(line) for line in body.splitlines()] == answered


@pytest.mark.parametrize("document", [{"note": 1}, {"message": {"a": 1}}, {"host": "n1", "tags": "one"}])
async def test_what_is_no_line_is_passed_on_with_a_tag(asked: Asked, document: dict[str, object]) -> None:
    answered = await asked.one(document)
    assert answered["tags"][-1] == "_slurmlens_no_line"
    assert {**answered, "tags": document.get("tags")} == {**document, "tags": document.get("tags")}


async def test_a_field_in_the_way_is_left_as_it_is(asked: Asked) -> None:
    answered = await asked.one({**LAUNCHED, "slurm": "busy"})
    assert (answered["slurm"], answered["tags"]) == ("busy", ["_slurmlens_field_in_the_way"])


async def test_documents_pass_on_tagged_while_the_database_is_away(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreError("no answer", reason="away")

    with monkeypatch.context() as patch:
        patch.setattr(asked.history.store, "read", away)
        answered = await asked.one(LAUNCHED)
        assert (answered["tags"], answered["slurm"]["job_id"]) == (["_slurmlens_away"], 10)
    assert (await asked.one(LAUNCHED))["slurm"]["user"] == "Herbert"


async def test_a_job_id_that_is_used_again_is_the_job_of_the_lines_time(asked: Asked) -> None:
    assert (await asked.one(LAUNCHED))["slurm"]["user"] == "Herbert"
    asked.history.clock.advance(11 * 86_400)
    later_s = 10 * 86_400
    again = record(JobState.RUNNING, job_id=10, submit=later_s, start=later_s)
    await asked.history.learn(msgspec.structs.replace(again, user="Carol"))
    for after_s, user in ((5, "Herbert"), (later_s + 5, "Carol")):
        answered = await asked.one({**LAUNCHED, "@timestamp": BEGIN_S + after_s})
        assert answered["slurm"]["user"] == user


async def test_a_host_asks_of_itself_and_a_forwarder_of_all(asked: Asked) -> None:
    of_another = msgspec.json.encode({**LAUNCHED, "host": "n2"})
    status, body = await asked.raw(of_another)
    assert (status, b"[logs] forwarders" in body) == (403, True)
    assert (await asked.raw(of_another, speaker="loghost"))[0] == 200
    assert (await asked.raw(b"{nonsense"))[0] == 400
