"""`slurmlens dashboards` against a real server: the files, whose they are, and a hub that knows nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.commands import dashboards
from slurmlens.hub.dashboards.model import BoardKind, board_uid
from slurmlens.hub.inventory.entities import Entity, HeldFact, HeldRelation
from slurmlens.slurm.records import JobState
from testkit.job_hub import FixedInventory, make_gallery_app, renumbered
from testkit.job_parts import make_facts, make_node, make_record

ENDED = 4711


def told(kind: str, name: str, attribute: str) -> HeldFact:
    return HeldFact(entity=Entity(kind, name), attribute=attribute, value="IDLE", source="test", valid_from_ns=0)


@pytest.fixture
def inventory() -> FixedInventory:
    found = FixedInventory()
    found.facts = [told("node", "c1", "state"), told("partition", "all", "state"), told("user", "alice", "uid")]
    part = HeldRelation(
        entity=Entity("partition", "all"), relation="contains", other=Entity("node", "c1"), source="t", valid_from_ns=0
    )
    found.relations = [part]
    return found


@pytest.fixture
async def hub(inventory: FixedInventory) -> AsyncIterator[str]:
    record = make_record(JobState.COMPLETED, 31)
    facts = make_facts(JobState.COMPLETED, "COMPLETED", 31, record=record, nodes=(make_node("c1", 31, slot=2),))
    app, _ = make_gallery_app({ENDED: renumbered(facts, ENDED)}, inventory=inventory)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def write(folder: Path, hub: str, *more: str) -> int:
    """The command as `slurmlens` would run it, beside the server's loop."""
    parser = argparse.ArgumentParser()
    dashboards.add_arguments(parser)
    arguments = parser.parse_args(["--out", str(folder), "--hub", hub, *more])
    return await asyncio.to_thread(dashboards.run, arguments)


def titles(folder: Path) -> set[str]:
    return {json.loads(path.read_bytes())["title"].partition(": ")[2] for path in folder.glob("*.json")}


async def test_what_the_hub_knows_becomes_files(hub: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await write(tmp_path, hub) == 0
    assert {"Node c1", "Partition all", "User alice"} <= titles(tmp_path)
    assert "0 unchanged, 0 removed" in capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert await write(tmp_path, hub) == 0
    assert capsys.readouterr().out.startswith("0 boards written")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


async def test_a_named_job_has_a_board_though_it_has_ended(hub: str, tmp_path: Path) -> None:
    assert await write(tmp_path, hub, "--job", str(ENDED)) == 0
    (board,) = tmp_path.glob("slurmlens-job-*.json")
    assert f"/jobs/{ENDED}/1" in board.read_text()
    assert ".nodes.c1.slots.2.cpu_cores" in board.read_text()
    assert await write(tmp_path, hub) == 0
    assert list(tmp_path.glob("slurmlens-job-*.json")) == [], "it is named no more"


async def test_only_own_boards_that_are_gone_are_removed(
    hub: str, inventory: FixedInventory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await write(tmp_path, hub) == 0
    others = [f"{board_uid(BoardKind.NODE, 'another cluster', 'c1')}.json", "mine.json", "slurmlens-node-notes.json"]
    for name in others:
        (tmp_path / name).write_text('{"title": "x: other"}')
    inventory.facts = [one for one in inventory.facts if one.entity.kind != "user"]
    capsys.readouterr()
    assert await write(tmp_path, hub) == 0
    assert capsys.readouterr().out.rstrip().endswith("1 removed")
    assert "User alice" not in titles(tmp_path)
    assert all((tmp_path / name).exists() for name in others)


async def test_a_hub_that_knows_no_node_changes_nothing(
    hub: str, inventory: FixedInventory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await write(tmp_path, hub) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    inventory.facts = []
    assert await write(tmp_path, hub) == hub_client.EXIT_NO_HUB
    assert "knows no node yet" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


async def test_a_folder_that_is_not_there_is_named(
    hub: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await write(tmp_path / "none", hub) == hub_client.EXIT_USAGE
    assert f"cannot use {tmp_path}/none: No such file" in capsys.readouterr().err


async def test_an_unknown_job_is_told(hub: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await write(tmp_path, hub, "--job", "99") == hub_client.EXIT_NO_SUCH
    assert "knows no job 99" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


async def test_lines_on_a_search_server_have_a_board(hub: str, tmp_path: Path) -> None:
    assert await write(tmp_path, hub, "--logs", "elasticsearch") == 0
    (board,) = tmp_path.glob("slurmlens-logs-*.json")
    assert '"type": "elasticsearch"' in board.read_text()
    assert await write(tmp_path, hub) == 0
    assert list(tmp_path.glob("slurmlens-logs-*.json")) == [], "nobody says where lines are any more"
