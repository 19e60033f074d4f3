"""The hub's own pages and the boards draw the same panels: titles, units and order."""

from __future__ import annotations

from slurmlens.hub.dashboards.all_boards import all_boards
from slurmlens.hub.dashboards.model import Board, BoardKind, Shape
from slurmlens.hub.node_states.figures import NODE_FIGURES
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.panels import JOB_PANELS, NODE_PANELS
from slurmlens.metrics import METRICS
from testkit.board_inputs import small_cluster
from testkit.job_gallery import completed

OF_2015 = "Context switches"


def board(kind: BoardKind) -> Board:
    return next(one for one in all_boards(small_cluster()) if one.kind is kind)


def drawn(of: Board, row: int) -> list[tuple[str, str]]:
    panels = of.rows[row].panels
    return [(one.title, one.unit) for one in panels if one.shape is Shape.CURVES and one.title != OF_2015]


def test_a_jobs_page_and_its_board_have_the_same_panels_in_the_same_order() -> None:
    charts = build_job_view(completed()).charts
    assert charts is not None
    page = [(one.title, one.unit) for one in charts.charts]
    table = [(one.title, one.unit) for one in JOB_PANELS]
    assert page[: len(table)] == table
    for kind in (BoardKind.JOB, BoardKind.ANY_JOB, BoardKind.NODE):
        assert drawn(board(kind), 0) == table


def test_a_nodes_board_has_those_panels_of_its_page_that_carbon_has() -> None:
    sent = [(one.title, one.unit) for one in NODE_PANELS if one.series_up]
    for kind in (BoardKind.JOB, BoardKind.ANY_JOB, BoardKind.NODE):
        assert drawn(board(kind), 1) == sent


def test_shares_are_never_summed() -> None:
    for kind in (BoardKind.OVERVIEW, BoardKind.PARTITION):
        for row in board(kind).rows:
            for panel in row.panels:
                assert panel.unit != "ratio", (kind, panel.title)


def test_every_row_names_metrics_and_figures_that_there_are() -> None:
    metrics, figures = {one.name for one in METRICS}, {one.name for one in NODE_FIGURES}
    for job_panel in JOB_PANELS:
        assert {name for one in (job_panel.up, job_panel.down or ()) for name in one if name} <= metrics
    for node_panel in NODE_PANELS:
        assert {node_panel.up, node_panel.down} <= {*figures, ""}
    keys = [one.key for one in NODE_PANELS]
    assert len(set(keys)) == len(keys)
