"""The board of the log lines, and what of them stands on other boards: pure.

Made where lines are on a search server, which Grafana can ask. Lines in the hub's own files have no board: their page
is `/logs`, to which every board leads.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.dashboards.line_fields import ECS
from slurmlens.hub.dashboards.line_queries import EVERY, errors_among, lines_of, of_programs
from slurmlens.hub.dashboards.model import Board, BoardKind, BoardRow, LinesAsked, LineStore, Panel, Shape

_ERRORS_NOTE = "Lines of severity err or worse."


def logs_board(cluster: str, store: LineStore) -> Board:
    """The cluster's one board of lines."""
    errors = errors_among(EVERY)
    return Board(
        kind=BoardKind.LOGS,
        cluster=cluster,
        title=f"{cluster}: log lines",
        rows=(
            BoardRow(
                title="Lines over time",
                panels=(
                    _over_time("Lines by severity", EVERY, ECS.severity),
                    _over_time("Errors by node", errors, ECS.node, _ERRORS_NOTE),
                    _over_time("Slurm's lines by kind", of_programs("slurmctld", "slurmd", "slurmstepd"), ECS.kind),
                ),
            ),
            BoardRow(
                title="The most",
                panels=(
                    _most("Lines by program", EVERY, ECS.program),
                    _most("Errors by node", errors, ECS.node),
                    _most("Errors by job", errors, ECS.job),
                    _most("Errors by user", errors, ECS.user),
                ),
            ),
            BoardRow(title="Line by line", panels=(_lines("Errors", errors, _ERRORS_NOTE),)),
        ),
        page="/logs",
        line_store=store,
    )


def with_lines(board: Board, store: LineStore) -> Board:
    """The board with a row of its lines and marks of the errors among them; as it was where no line is about it."""
    query = lines_of(board)
    if query is None or board.kind is BoardKind.LOGS:
        return board
    panels = (_over_time("Lines by severity", query, ECS.severity), _lines("Lines", query))
    rows = board.rows if board.kind is BoardKind.OVERVIEW else (*board.rows, BoardRow(title="Log lines", panels=panels))
    return msgspec.structs.replace(board, rows=rows, line_store=store, marked_lines=errors_among(query))


def _over_time(title: str, query: str, field: str, note: str = "") -> Panel:
    return Panel(title=title, lines=(LinesAsked(query=query, by=field),), note=note, is_stacked=True)


def _most(title: str, query: str, field: str) -> Panel:
    return Panel(title=title, shape=Shape.TABLE, lines=(LinesAsked(query=query, by=field),))


def _lines(title: str, query: str, note: str = "") -> Panel:
    return Panel(title=title, shape=Shape.LINES, lines=(LinesAsked(query=query),), note=note)
