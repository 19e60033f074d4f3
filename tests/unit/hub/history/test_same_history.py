"""One history, made twice: by the code of schema version 3 (fixtures), and by today's from the same calls."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.tellers import identity_told
from slurmlens.hub.history.facts import JobFilter
from slurmlens.hub.history.record.executions import ExecutionKey
from slurmlens.slurm.records import JobRecord
from slurmlens.wire import ecs
from testkit.checkout import ROOT
from testkit.hub_history import History
from testkit.manual_clock import ManualClock

FIXTURES = ROOT / "tests" / "fixtures/hub"

PART_OF = {"array_job_id", "array_task_id", "het_job_id", "het_job_offset"}
NOT_IN_THE_OLD = {"rid", "detail", "tellers", "totals", "section", "nodes", *PART_OF}


@pytest.fixture
def old_database(tmp_path: Path) -> Path:
    path = tmp_path / "old.sqlite3"
    path.write_bytes(gzip.decompress((FIXTURES / "hub-version-3.sqlite3.gz").read_bytes()))
    return path


def calls() -> Iterator[dict[str, Any]]:
    for line in gzip.decompress((FIXTURES / "calls.ndjson.gz").read_bytes()).splitlines():
        yield json.loads(line)


async def replay(history: History) -> None:
    """Every call that the old code was given."""
    records = msgspec.json.Decoder(list[JobRecord])
    for call in calls():
        now_ns = call["now_ns"]
        match call["call"]:
            case "apply":
                events = [ecs.decode(line.encode()) for line in call["lines"]]
                await history.apply(events, now_ns)
            case "take":
                await history.records.take(records.decode(json.dumps(call["records"])), now_ns)
            case "forget":
                await history.records.forget([ExecutionKey(*key) for key in call["keys"]], now_ns)
            case "refresh":
                await history.refresher.refresh(now_ns)
            case "start":
                history.listens_since(now_ns)
            case "reconcile":
                await history.reconciler.reconcile(now_ns, call["scheduler_ns"])


def old_rows(path: Path, table: str, key: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    return {tuple(row[name] for name in key): row for row in rows}


async def new_rows(history: History, table: Any, key: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
    def question(connection: Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(select(table)).mappings()]

    rows = await history.store.read(question)
    return {tuple(row[name] for name in key): row for row in rows}


async def assert_same_conclusions(history: History, path: Path) -> None:
    """Sightings and runs, column by column, and the nodes of every run."""
    sighting_key, run_key = ("cluster", "node", "sighting"), ("cluster", "job_id", "number")
    old, new = old_rows(path, "sightings", sighting_key), await new_rows(history, schema.sightings, sighting_key)
    assert old.keys() == new.keys()
    for name, row in old.items():
        told = msgspec.json.encode(identity_told(new[name]["tellers"]))
        assert msgspec.json.decode(row.pop("identity")) == msgspec.json.decode(told), name
        assert row == less(new[name]), name
    old, new = old_rows(path, "runs", run_key), await new_rows(history, schema.runs, run_key)
    assert old.keys() == new.keys()
    nodes: dict[tuple[Any, ...], set[str]] = {}
    for cluster, job_id, number, node in old_rows(path, "run_nodes", (*run_key, "node")):
        nodes.setdefault((cluster, job_id, number), set()).add(node)
    for name, row in old.items():
        assert bool(row.pop("is_latest")) == (new[name]["section"] != 9)
        assert row == less(new[name]), name
        assert nodes.get(name, set()) == set(schema.decode_nodes(new[name]["nodes"])), name


def less(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in NOT_IN_THE_OLD}


async def test_the_same_events_and_records_are_concluded_equally(history: History, old_database: Path) -> None:
    await replay(history)
    await assert_same_conclusions(history, old_database)


async def test_an_upgraded_database_holds_what_it_held_and_shows_it(old_database: Path, tmp_path: Path) -> None:
    before = tmp_path / "before.sqlite3"
    before.write_bytes(old_database.read_bytes())
    documents = {
        (row["job_id"], row["body"]) for row in old_rows(before, "events", ("node", "id")).values() if row["body"]
    }
    history = await History.open(f"sqlite:///{old_database}", ManualClock())
    try:
        await assert_same_conclusions(history, before)
        kept = set()
        for job_id in {job_id for job_id, _ in documents}:
            kept |= {(job_id, body) for body in await history.queries.job_events(EVERYBODY, job_id)}
        assert kept == documents
        assert {(one.cluster, one.node) for one in (await history.queries.status(EVERYBODY)).nodes} == set(
            old_rows(before, "nodes", ("cluster", "node"))
        )
        shown = [await history.facts(row.job_id) for row in await history.listed(JobFilter())]
        await history.refresh()  # profiles are packed
        assert [await history.facts(facts.job_id) for facts in shown] == shown
    finally:
        await history.close()


async def test_an_upgraded_database_goes_on_like_a_new_one(old_database: Path) -> None:
    history = await History.open(f"sqlite:///{old_database}", ManualClock())
    try:
        await replay(history)  # all of it is known already
        batches = schema.batches
        count = await history.store.read(lambda connection: len(connection.execute(select(batches.c.id)).all()))
        documents = len(old_rows(old_database, "events", ("sighting", "id")))
        assert count < documents
    finally:
        await history.close()
