"""Every board is what Grafana's published types of 11.6, 12.4 and 13.2 call a dashboard, panels and queries too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from deploy.components.grafana_types import objections
from deploy.errors import MachineLacks

from slurmlens.hub.dashboards.all_boards import all_boards
from slurmlens.hub.dashboards.grafana import dashboard
from slurmlens.hub.dashboards.grafana_resource import LatestVersion, board_resource
from slurmlens.hub.dashboards.model import LineStore
from testkit.board_inputs import small_cluster

Board = dict[str, Any]


def every_board() -> dict[str, Board]:
    """All kinds of boards of a small cluster: without a store of lines, and with each kind of one."""
    found = {}
    for store in (None, *LineStore):
        inputs = msgspec.structs.replace(small_cluster(), line_store=store)
        for board in all_boards(inputs):
            name = f"{board.kind.value} {board.name} {'' if store is None else store.value}"
            found[name] = json.loads(dashboard(board, "https://lens.example.org"))
    return found


def held(boards: dict[str, Board], resources: dict[str, Any] | None = None) -> list[Any]:
    try:
        return objections(boards, resources)
    except MachineLacks as error:
        pytest.skip(str(error))


def test_no_release_refuses_anything_of_any_board() -> None:
    boards = every_board()
    assert len(boards) > 40
    assert held(boards) == []


def test_what_goes_to_the_newer_api_is_a_dashboard_resource() -> None:
    boards = every_board()
    over = LatestVersion(is_ours=True, version="1001")
    made = {
        f"{name} {version}": board_resource(board, "default", "slurmlens", "slurmlens content-1", version)
        for name, board in boards.items()
        for version in (None, over)
    }
    assert held({}, made) == []
    spoilt = board_resource(boards["overview  "], "default", "slurmlens", "m", None)
    del spoilt["metadata"]["namespace"]
    assert {one.release for one in held({}, {"spoilt": spoilt})} == {12, 13}


def _misspelt_key(board: Board) -> None:
    board["refesh"] = board.pop("refresh")


def _height_as_text(board: Board) -> None:
    board["panels"][1]["gridPos"]["h"] = "8"


def _unknown_style(board: Board) -> None:
    next(one for one in board["panels"] if one["type"] == "timeseries")["fieldConfig"]["defaults"]["custom"][
        "drawStyle"
    ] = "lines"


def _option_of_another_panel(board: Board) -> None:
    next(one for one in board["panels"] if one["type"] == "stat")["options"]["showHeader"] = True


def _query_without_metrics_of_its_kind(board: Board) -> None:
    next(one for one in board["panels"] if one["type"] == "logs")["targets"][0]["metrics"][0]["type"] = "lines"


def test_what_is_wrong_in_a_board_is_refused_so_the_check_can_fail() -> None:
    spoilt: dict[str, tuple[str, Callable[[Board], None]]] = {
        "key": ("overview  ", _misspelt_key),
        "height": ("overview  ", _height_as_text),
        "style": ("overview  ", _unknown_style),
        "option": ("overview  ", _option_of_another_panel),
        "query": ("logs  elasticsearch", _query_without_metrics_of_its_kind),
    }
    boards, every = {}, every_board()
    for name, (of, spoil) in spoilt.items():
        boards[name] = json.loads(json.dumps(every[of]))
        spoil(boards[name])
    found = held(boards)
    assert {one.board for one in found} == set(spoilt)
    assert {one.release for one in found if one.board != "query"} == {11, 12, 13}
