"""Boards and marks in a Grafana: only ours change, a person's edit stays, and a refusal says what to do.

Against a stand-in that does what Grafana's documentation says; see its docstring for what it does not show.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from aiohttp.test_utils import TestServer

from slurmlens.cli.ask.grafana import Grafana, Published
from slurmlens.cli.commands import dashboards
from slurmlens.errors import GrafanaError
from slurmlens.hub.dashboards.all_boards import all_boards
from slurmlens.hub.dashboards.grafana import dashboard
from slurmlens.hub.dashboards.grafana_resource import graphite_source, lines_source
from slurmlens.hub.dashboards.inputs import ClusterInputs
from slurmlens.hub.dashboards.job_marks import JobMark, marks_of
from slurmlens.hub.dashboards.model import LineStore
from slurmlens.slurm.records import JobState
from testkit.board_inputs import ENDED, RUNNING, job_line, small_cluster
from testkit.checkout import ROOT
from testkit.stand_in_grafana import TOKEN, StandInGrafana

FOLDER = "slurmlens"
TAG = "demo"


CLASSIC, RESOURCES = "11.6.9", "13.2.3"


@pytest.fixture(params=[CLASSIC, RESOURCES])
def grafana(request: pytest.FixtureRequest) -> StandInGrafana:
    """By each of the two ways in which boards are kept."""
    return StandInGrafana(version=request.param)


@pytest.fixture
async def url(grafana: StandInGrafana) -> AsyncIterator[str]:
    async with TestServer(grafana.app()) as server:
        yield str(server.make_url("")).rstrip("/")


def made(inputs: ClusterInputs | None = None) -> dict[str, bytes]:
    chosen = msgspec.structs.replace(inputs or small_cluster(), cluster=TAG)
    return {board.uid: dashboard(board) for board in all_boards(chosen)}


async def publish(url: str, boards: dict[str, bytes], token: str = TOKEN) -> Published:
    client = Grafana(url, token)
    await asyncio.to_thread(client.check_release)
    return await asyncio.to_thread(client.publish, TAG, boards, FOLDER)


async def test_all_boards_are_there_and_a_second_time_asks_twice_and_writes_nothing(
    grafana: StandInGrafana, url: str
) -> None:
    boards = made()
    assert (await publish(url, boards)).written == len(boards) == len(grafana.boards)
    grafana.requests.clear()
    again = await publish(url, boards)
    assert (again.written, again.unchanged, again.removed) == (0, len(boards), 0)
    folder = {
        CLASSIC: "GET /api/folders/slurmlens",
        RESOURCES: "GET /apis/folder.grafana.app/v1/namespaces/default/folders/slurmlens",
    }
    assert grafana.requests[-2:] == [folder[grafana.version], "GET /api/search"]
    assert not any(request.startswith(("POST", "PUT", "DELETE")) for request in grafana.requests)


@pytest.mark.parametrize("has_bare_lists", [False, True])
async def test_what_a_person_saved_is_neither_overwritten_nor_removed(
    grafana: StandInGrafana, url: str, has_bare_lists: bool
) -> None:
    grafana.has_bare_version_lists = has_bare_lists
    boards = made()
    await publish(url, boards)
    first, second, third = sorted(boards)[:3]
    grafana.edit(first, "mine now")
    grafana.edit(second, "mine too")
    changed = {
        uid: body.replace(b'"graphTooltip": 1', b'"graphTooltip": 2') for uid, body in boards.items() if uid != second
    }
    done = await publish(url, changed)
    assert set(done.edited) == {first, second}
    assert grafana.boards[first]["title"] == "mine now"
    assert second in grafana.boards
    assert grafana.boards[third]["graphTooltip"] == 2


@pytest.mark.parametrize("keeps_first_message", [False, True])
async def test_a_board_that_is_ours_is_written_over_as_often_as_it_changes(
    grafana: StandInGrafana, url: str, keeps_first_message: bool
) -> None:
    grafana.keeps_first_message = keeps_first_message or grafana.version == CLASSIC
    boards = made()
    await publish(url, boards)
    for tooltip in (2, 0):
        boards = {
            uid: re.sub(rb'"graphTooltip": \d', b'"graphTooltip": %d' % tooltip, one) for uid, one in boards.items()
        }
        done = await publish(url, boards)
        assert (done.written, done.edited, done.refused) == (len(boards), (), ())
    assert {board["graphTooltip"] for board in grafana.boards.values()} == {0}


@pytest.mark.parametrize(
    ("version", "serves_resources", "path"),
    [("11.6.9", True, "/api"), ("12.4.11", True, "/api"), ("13.2.3", True, "/apis"), ("13.0.0", False, "/api")],
)
async def test_boards_go_by_the_way_that_this_version_has_in_a_stable_form(
    grafana: StandInGrafana, url: str, version: str, serves_resources: bool, path: str
) -> None:
    grafana.version, grafana.serves_resources = version, serves_resources
    client = Grafana(url, TOKEN)
    assert await asyncio.to_thread(client.check_release) == version
    assert client.path == path
    await asyncio.to_thread(client.publish, TAG, made(), FOLDER)
    assert bool(grafana.resources) == (path == "/apis")
    assert len(grafana.boards) == len(made())


async def test_a_resource_names_its_folder_its_message_and_the_version_that_it_replaces(
    grafana: StandInGrafana, url: str
) -> None:
    grafana.version = RESOURCES
    boards = made()
    await publish(url, boards)
    first = grafana.resources[0]
    assert (first["apiVersion"], first["kind"]) == ("dashboard.grafana.app/v1", "Dashboard")
    assert first["metadata"]["annotations"]["grafana.app/folder"] == FOLDER
    assert first["metadata"]["annotations"]["grafana.app/message"].startswith("slurmlens content-")
    assert "resourceVersion" not in first["metadata"]
    assert "uid" not in first["spec"]
    uid = first["metadata"]["name"]
    await publish(url, {**boards, uid: boards[uid].replace(b'"graphTooltip": 1', b'"graphTooltip": 2')})
    assert grafana.resources[-1]["metadata"]["resourceVersion"] == "1001"


async def test_who_saves_between_our_look_and_our_save_is_not_overwritten(grafana: StandInGrafana, url: str) -> None:
    grafana.version = RESOURCES
    boards = made()
    await publish(url, boards)
    uid = sorted(boards)[0]
    client = Grafana(url, TOKEN)
    await asyncio.to_thread(client.check_release)
    seen = client._boards.latest
    client._boards.latest = lambda of: (seen(of), grafana.edit(of, "mine now"))[0]  # type: ignore[func-returns-value, method-assign]
    changed = {**boards, uid: boards[uid].replace(b'"graphTooltip": 1', b'"graphTooltip": 2')}
    done = await asyncio.to_thread(client.publish, TAG, changed, FOLDER)
    assert grafana.boards[uid]["title"] == "mine now"
    (words,) = done.refused
    assert "modified" in words


async def test_data_sources_are_made_once_and_left_as_they_are(grafana: StandInGrafana, url: str) -> None:
    client = Grafana(url, TOKEN)
    lines = lines_source(LineStore.OPENSEARCH, "http://search.example.org:9200", "slurmlens-logs-*")
    for source in (graphite_source("http://graphite.example.org"), lines):
        assert await asyncio.to_thread(client.make_source, source)
        grafana.sources[source["uid"]]["url"] = "http://elsewhere.example.org"
        assert not await asyncio.to_thread(client.make_source, source)
    assert {one["url"] for one in grafana.sources.values()} == {"http://elsewhere.example.org"}
    asked = {one["datasource"]["uid"] for body in made(with_lines()).values() for one in sources_of(body)}
    assert asked <= {*grafana.sources, "-- Grafana --"}


def with_lines() -> ClusterInputs:
    return msgspec.structs.replace(small_cluster(), line_store=LineStore.OPENSEARCH)


def sources_of(body: bytes) -> Iterator[dict[str, Any]]:
    board = msgspec.json.decode(body)
    yield from board["annotations"]["list"]
    for panel in board["panels"]:
        yield from panel.get("targets", ())


async def test_an_editor_is_told_that_data_sources_take_an_admin(grafana: StandInGrafana, url: str) -> None:
    grafana.is_admin = False
    with pytest.raises(GrafanaError, match="role of an admin, or a file"):
        await asyncio.to_thread(Grafana(url, TOKEN).make_source, graphite_source("http://graphite.example.org"))


@pytest.mark.parametrize("name", ["datasources", "datasources-lines"])
def test_files_and_api_make_the_same_data_sources(name: str) -> None:
    sources = {
        "datasources": graphite_source("http://127.0.0.1:8080"),
        "datasources-lines": lines_source(LineStore.OPENSEARCH, "http://127.0.0.1:9200", "slurmlens-logs-*"),
    }
    (shipped,) = yaml.safe_load((ROOT / f"etc/grafana/{name}.yaml").read_text())["datasources"]
    assert shipped == sources[name]


async def test_boards_that_are_gone_go_and_others_stay(grafana: StandInGrafana, url: str) -> None:
    boards = made()
    await publish(url, boards)
    stranger = {"uid": "theirs", "title": "x", "tags": ["slurmlens", TAG]}
    grafana.boards["theirs"], grafana.folder_of["theirs"], grafana.messages["theirs"] = stranger, "other", [""]
    gone = sorted(boards)[0]
    done = await publish(url, {uid: body for uid, body in boards.items() if uid != gone})
    assert (done.removed, gone in grafana.boards, "theirs" in grafana.boards) == (1, False, True)


async def test_a_uid_that_somebody_else_has_is_refused_and_spoils_no_other(grafana: StandInGrafana, url: str) -> None:
    boards = made()
    taken = sorted(boards)[0]
    grafana.boards[taken], grafana.folder_of[taken] = {"uid": taken, "title": "x", "tags": []}, "other"
    done = await publish(url, boards)
    assert done.written == len(boards) - 1
    (words,) = done.refused
    assert taken in words


async def test_a_folder_that_was_lost_is_made_again(grafana: StandInGrafana, url: str) -> None:
    boards = made()
    await publish(url, boards)
    grafana.folders.clear()
    grafana.boards.clear()
    assert (await publish(url, boards)).written == len(boards)


@pytest.mark.parametrize(
    ("version", "token", "words"),
    [("10.4.1", TOKEN, "11 to 13"), ("next", TOKEN, "11 to 13"), ("13.2.3", "wrong", "the key is refused")],
)
async def test_an_unknown_version_and_a_refused_key_are_told(
    grafana: StandInGrafana, url: str, version: str, token: str, words: str
) -> None:
    grafana.version = version

    def run() -> None:
        client = Grafana(url, token)
        client.check_release()
        client.publish(TAG, made(), FOLDER)

    with pytest.raises(GrafanaError, match=words):
        await asyncio.to_thread(run)
    assert grafana.boards == {}


async def test_a_run_is_marked_once_from_start_to_end_and_found_by_node_and_user(
    grafana: StandInGrafana, url: str
) -> None:
    line = msgspec.structs.replace(job_line(RUNNING, JobState.RUNNING, "running"), node_list="n[0-1]")
    client = Grafana(url, TOKEN)
    assert await asyncio.to_thread(client.mark, TAG, list(marks_of(TAG, [line]))) == (1, 0)
    assert await asyncio.to_thread(client.mark, TAG, list(marks_of(TAG, [line]))) == (0, 0)
    ended = msgspec.structs.replace(
        line, ended_ns=(line.started_ns or 0) + 10**9, state=JobState.FAILED, state_text="FAILED 42:0"
    )
    assert await asyncio.to_thread(client.mark, TAG, list(marks_of(TAG, [ended]))) == (0, 1)
    assert await asyncio.to_thread(client.mark, TAG, list(marks_of(TAG, [ended]))) == (0, 0)
    (mark,) = grafana.marks.values()
    assert {"failed", "node:n0", "node:n1", "user:alice", "partition:all", "job:4711.1"} <= set(mark["tags"])
    assert mark["timeEnd"] == mark["time"] + 1000


def asked_tags(board: bytes) -> Iterator[set[str]]:
    for one in msgspec.json.decode(board)["annotations"]["list"]:
        yield set(one["target"]["tags"])


def test_every_board_asks_for_marks_that_are_made() -> None:
    lines = [
        msgspec.structs.replace(job_line(RUNNING, JobState.RUNNING, "running"), node_list="n[0-1]"),
        msgspec.structs.replace(job_line(ENDED, JobState.FAILED, "FAILED 42:0"), node_list="n0"),
    ]
    marks: list[JobMark] = list(marks_of(TAG, lines))
    boards = list(all_boards(msgspec.structs.replace(small_cluster(), cluster=TAG)))
    found = {
        (board.kind.value, board.name): any(
            tags <= set(mark.tags) for tags in asked_tags(dashboard(board)) for mark in marks
        )
        for board in boards
    }
    for key in (("overview", ""), ("partition", "all"), ("node", "n0"), ("user", "alice"), ("job", "4711.1")):
        assert found[key], key
    assert not found["partition", "empty"]


def test_no_name_of_a_job_is_markup_in_a_mark() -> None:
    line = msgspec.structs.replace(job_line(RUNNING, JobState.RUNNING, "running"), name='<img src=x>"$v', user="a|b")
    (mark,) = marks_of(TAG, [line])
    assert "<" not in mark.text
    assert "$v" not in mark.text


async def test_the_command_says_what_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    dashboards.add_arguments(parser)
    for words, said in (
        ([], "--out FOLDER, or --grafana URL"),
        (["--grafana", "grafana"], "no address"),
        (["--grafana", "http://g"], "--token-file"),
        (["--out", "x", "--logs-url", "http://s"], "--logs beside it"),
        (["--out", "x", "--graphite-url", "graphite"], "no address of a data source"),
    ):
        assert dashboards.run(parser.parse_args(words)) == 2
        assert said in capsys.readouterr().err
