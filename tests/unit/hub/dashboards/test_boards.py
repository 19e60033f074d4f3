"""Boards as they are written: golden files, rules that hold for each, and names that want to be something else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.hub.dashboards.all_boards import all_boards
from slurmlens.hub.dashboards.grafana import COLUMNS, dashboard, reference_id
from slurmlens.hub.dashboards.grafana_lines import SOURCE_UID
from slurmlens.hub.dashboards.inputs import BoardJob, BoardNode, ClusterInputs, Placement, deserves_board, job_of
from slurmlens.hub.dashboards.line_queries import phrase
from slurmlens.hub.dashboards.model import MOST_UID_CHARS, UID_PREFIX, BoardKind, LineStore, board_uid
from slurmlens.hub.dashboards.targets import NODE_LEVEL, SLOT_LEVEL, any_of, node_series, slot_series
from slurmlens.hub.dashboards.texts import escaped
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.jobs.view import JobLine
from slurmlens.slurm.records import JobState
from slurmlens.wire.carbon import node_prefix, slot_prefix
from testkit.board_inputs import BEGIN_S, job_line, small_cluster
from testkit.checkout import ROOT
from testkit.graphite_expression import parse_expression, series_of
from testkit.job_gallery import completed

PAGES = "https://lens.example.org"
PANEL_TYPES = {"row", "timeseries", "stat", "table", "text", "logs"}
A_SERIES = re.compile(r"(slurm|servers)(\.(\{[\w,-]+\}|[\w-]+|\*|\$node|\$slot))+", re.ASCII)
WRITE_THEM = (
    "import sys, testkit.board_inputs as t\n"
    "import slurmlens.hub.dashboards.all_boards as b, slurmlens.hub.dashboards.grafana as g\n"
    "sys.stdout.buffer.writelines(g.dashboard(one) for one in b.all_boards(t.small_cluster()))"
)


def written(inputs: ClusterInputs) -> dict[str, dict[str, Any]]:
    """All boards as Grafana would read them, by uid."""
    return {board.uid: json.loads(dashboard(board, PAGES)) for board in all_boards(inputs)}


def targets_of(board: dict[str, Any]) -> Iterator[str]:
    for panel in board["panels"]:
        yield from (target["target"] for target in panel.get("targets", ()))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (BoardKind.OVERVIEW, ""),
        (BoardKind.ANY_JOB, ""),
        (BoardKind.PARTITION, "all"),
        (BoardKind.PARTITION, "empty"),
        (BoardKind.NODE, "n2.cluster"),
        (BoardKind.USER, "alice"),
        (BoardKind.USER, "first.last"),
        (BoardKind.ACCOUNT, "physics"),
        (BoardKind.ACCOUNT, "empty.account"),
        (BoardKind.JOB, "4711.1"),
        (BoardKind.JOB, "4700.2"),
    ],
)
def test_the_board_is_as_reviewed(kind: BoardKind, name: str, golden: Callable[[str, str], None]) -> None:
    board = next(board for board in all_boards(small_cluster()) if (board.kind, board.name) == (kind, name))
    golden(f"dashboards/{kind.value}{'-' if name else ''}{name}.json", dashboard(board, PAGES).decode())


@pytest.mark.parametrize("store", LineStore)
def test_the_board_of_lines_is_as_reviewed(store: LineStore, golden: Callable[[str, str], None]) -> None:
    *_, board = all_boards(with_lines_on(store))
    assert board.kind is BoardKind.LOGS
    golden(f"dashboards/logs-{store.value}.json", dashboard(board, PAGES).decode())


def with_lines_on(store: LineStore) -> ClusterInputs:
    return msgspec.structs.replace(small_cluster(), line_store=store)


def test_boards_without_a_search_server_ask_nobody_for_lines() -> None:
    assert SOURCE_UID not in json.dumps(written(small_cluster()))


def test_every_board_that_a_line_can_be_about_lists_them_and_marks_the_errors() -> None:
    listed, marked = set(), set()
    for board in all_boards(with_lines_on(LineStore.OPENSEARCH)):
        drawn = json.loads(dashboard(board, PAGES))
        listed |= {board.kind for panel in drawn["panels"] if panel["type"] == "logs"}
        marked |= {board.kind for one in drawn["annotations"]["list"] if one["datasource"]["uid"] == SOURCE_UID}
    about = {BoardKind.NODE, BoardKind.JOB, BoardKind.USER, BoardKind.ACCOUNT, BoardKind.PARTITION}
    assert listed == {*about, BoardKind.LOGS}
    assert marked == {*about, BoardKind.OVERVIEW}


def test_boards_are_the_same_bytes_in_every_process() -> None:
    made = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "tests")}
        done = subprocess.run([sys.executable, "-c", WRITE_THEM], env=environment, capture_output=True, check=True)
        made.add(done.stdout)
    (bytes_of_both,) = made
    assert len(bytes_of_both) > 10_000


def test_a_board_keeps_what_grafana_demands() -> None:
    boards = written(with_lines_on(LineStore.ELASTICSEARCH))
    for uid, board in boards.items():
        assert re.fullmatch(r"[a-zA-Z0-9-]+", uid)
        assert uid.startswith(UID_PREFIX)
        assert len(uid) <= MOST_UID_CHARS
        panels = board["panels"]
        assert {panel["type"] for panel in panels} <= PANEL_TYPES
        assert len({panel["id"] for panel in panels}) == len(panels)
        assert not overlaps(panels)
        for panel in panels:
            ids = [target["refId"] for target in panel.get("targets", ())]
            assert len(set(ids)) == len(ids)
    assert len({board["title"] for board in boards.values()}) == len(boards)


def overlaps(panels: list[dict[str, Any]]) -> bool:
    """Whether two panels want the same place, or one lies outside."""
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        if cells & taken or place["x"] + place["w"] > COLUMNS:
            return True
        taken |= cells
    return False


def test_every_board_that_is_linked_is_there() -> None:
    boards = written(with_lines_on(LineStore.OPENSEARCH))
    linked = {uid for board in boards.values() for uid in re.findall(r"/d/([\w-]+)", json.dumps(board))}
    assert len(linked) > 8
    assert linked <= boards.keys()


def test_every_variable_that_is_asked_is_defined() -> None:
    for board in written(small_cluster()).values():
        defined = {variable["name"] for variable in board["templating"]["list"]}
        assert set(re.findall(r"\$(\w+)", " ".join(targets_of(board)))) <= defined


def test_queries_name_series_as_nodes_send_them() -> None:
    series = slot_series("c.1", any_of(["n0.x"]), "3", "cpu_cores")
    assert series == f"{slot_prefix('c.1', 'n0.x', 3)}cpu_cores"
    assert node_series("c.1", any_of(["n_0.x"]), "m") == f"{node_prefix('c.1', 'n_0.x')}m"
    levels = series.split(".")
    assert (levels[NODE_LEVEL], levels[SLOT_LEVEL]) == ("n0_x", "3")


def test_a_job_is_asked_for_in_its_own_slots_and_within_its_own_time() -> None:
    boards = written(small_cluster())
    running = list(targets_of(boards[board_uid(BoardKind.JOB, "demo", "4711.1")]))
    assert running[0] == f"aliasByNode(timeSlice(slurm.demo.nodes.{{n0,n2_cluster}}.slots.0.cpu_cores,'{BEGIN_S}'),3)"
    assert running[1] == f"aliasByNode(timeSlice(slurm.demo.nodes.n1.slots.3.cpu_cores,'{BEGIN_S}'),3)"
    ended = boards[board_uid(BoardKind.JOB, "demo", "4700.2")]
    assert f"'{BEGIN_S - 600}','{BEGIN_S - 60}'" in next(targets_of(ended))
    assert (ended["refresh"], ended["time"]["to"]) == ("", "2025-11-24T15:59:00.000Z")


def test_the_queue_is_not_the_sum_over_users_and_groups() -> None:
    overview = written(small_cluster())[board_uid(BoardKind.OVERVIEW, "demo")]
    (queue,) = [panel for panel in overview["panels"] if panel["title"] == "Jobs in the queue"]
    assert {series for one in targets_of({"panels": [queue]}) for series in series_of(parse_expression(one))} == {
        "slurm.stats.total.RUNNING.jobs",
        "slurm.stats.total.PENDING.jobs",
    }


def test_an_ended_job_shows_days_and_the_code_that_it_failed_with() -> None:
    overview = written(small_cluster())[board_uid(BoardKind.OVERVIEW, "demo")]
    (ended,) = [panel for panel in overview["panels"] if panel["title"] == "Ended lately"]
    row = ended["options"]["content"].splitlines()[2]
    assert "exit code 42" in row
    assert "1 d" in row


def test_a_board_changes_only_with_its_inputs() -> None:
    before, after = small_cluster(), msgspec.structs.replace(small_cluster(), running=())
    changed = {uid for uid, board in written(before).items() if written(after)[uid] != board}
    assert changed == {board_uid(BoardKind.OVERVIEW, "demo")}


def test_a_job_gets_its_own_board_after_five_minutes_and_a_task_of_an_array_never() -> None:
    line = small_cluster().running[0]
    started_ns = BEGIN_S * NS_PER_S
    assert not deserves_board(line, started_ns + 299 * NS_PER_S)
    assert deserves_board(line, started_ns + 300 * NS_PER_S)
    task = msgspec.structs.replace(line, array_job_id=4700, array_task_id=1)
    assert not deserves_board(task, started_ns + 300 * NS_PER_S)


def test_a_job_whose_nodes_told_no_slot_has_no_board() -> None:
    view = build_job_view(completed())
    assert job_of(view) is None
    nodes = tuple(msgspec.structs.replace(node, slot=at) for at, node in enumerate(view.nodes))
    job = job_of(msgspec.structs.replace(view, nodes=nodes))
    assert job is not None
    assert job.placements == (Placement("c1", 0), Placement("c2", 1))


NAMES = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="(){}[]$*,.'\"\\|`<>&#%/ \n\x1b\u202e\udcffa", max_size=30),
    st.sampled_from(
        ["$__from", "${node}", "[[slot]]", "sumSeries(*)", "a,b", "../../x", "{a,b}", "](http://x)", "&lt;"]
    ),
)


def hostile(cluster: str, node: str, partition: str, user: str, job: str) -> ClusterInputs:
    own = BoardJob(
        job_id=7, run=1, name=job, user=user, account=user, begin_s=5, end_s=None, placements=(Placement(node, 0),)
    )
    return ClusterInputs(
        cluster=cluster,
        nodes=(BoardNode(name=node, partitions=(partition,)),),
        partitions=(partition,),
        users=(user,),
        accounts=(user,),
        running=(job_line(own, JobState.RUNNING, "running"),),
        jobs=(own,),
    )


HARMLESS_PANELS = [len(board["panels"]) for board in written(hostile("c", "n", "p", "u", "j")).values()]


@settings(max_examples=40)  # each makes seven boards
@given(NAMES, NAMES, NAMES, NAMES, NAMES)
def test_no_name_is_more_than_a_name(cluster: str, node: str, partition: str, user: str, job: str) -> None:
    boards = written(hostile(cluster, node, partition, user, job))
    assert len(boards) == 7
    assert [len(board["panels"]) for board in boards.values()] == HARMLESS_PANELS
    for board in boards.values():
        assert board["title"].isprintable()
        for target in targets_of(board):
            for series in series_of(parse_expression(target)):
                assert A_SERIES.fullmatch(series), series


@given(NAMES)
def test_a_name_in_a_question_of_lines_is_one_phrase_and_no_variable(name: str) -> None:
    assert re.fullmatch(r'"([A-Za-z0-9 ._-]|\\u[0-9a-f]{4})*"', phrase(name))


@given(NAMES)
def test_a_name_in_a_list_means_nothing_to_markdown_or_grafana(name: str) -> None:
    assert re.fullmatch(r"([A-Za-z0-9 ]|&#\d+;)*", escaped(name))


def test_lines_of_a_list_stay_one_row_each() -> None:
    overview = written(hostile("c", "n", "p", "u", "a|b\n| c |"))[board_uid(BoardKind.OVERVIEW, "c")]
    (running,) = [panel for panel in overview["panels"] if panel["title"] == "Running jobs"]
    rows = running["options"]["content"].splitlines()
    assert [row.count("|") for row in rows] == [6, 6, 6]


def test_targets_have_letters_like_columns() -> None:
    assert [reference_id(number) for number in (0, 25, 26, 27, 701, 702)] == ["A", "Z", "AA", "AB", "ZZ", "AAA"]


def test_a_text_that_is_no_expression_is_refused() -> None:
    for text in ("f(a", "f(a))", "a b", "f('a)", "", "f(,)", "a;b"):
        with pytest.raises((ValueError, IndexError)):
            parse_expression(text)


def test_a_list_leads_to_the_page_where_there_is_no_board() -> None:
    inputs = small_cluster()
    other = JobLine(**{**msgspec.structs.asdict(inputs.running[0]), "job_id": 9})
    board = next(iter(all_boards(msgspec.structs.replace(inputs, running=(other,)))))
    assert f"[9](<{PAGES}/jobs/9/1>)" in dashboard(board, PAGES).decode()
    assert "/jobs/9" not in dashboard(board).decode()
