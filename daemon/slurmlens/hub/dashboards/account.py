"""The board of one account: what its running jobs use, and where slurmlens says what it used.

The queue of 2015 has no series of accounts, so what runs and waits stands on slurmlens's pages: a list on the board
would have it written anew with every job. Curves are of jobs with a board of their own, which are known by their slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from slurmlens.hub.dashboards.inputs import BoardJob
from slurmlens.hub.dashboards.jobs_rows import jobs_rows
from slurmlens.hub.dashboards.model import Board, BoardKind, BoardRow, Cell, Panel, Shape, page_of


def account_board(cluster: str, account: str, jobs: Sequence[BoardJob]) -> Board:
    """One account's board; `jobs` are those of its jobs that have boards."""
    pages = (
        ("Its jobs", f"/jobs?{urlencode({'account': account}, errors='replace')}"),
        (
            "What it used this month",
            f"/reports?{urlencode({'period': 'month', 'of': f'account:{account}'}, errors='replace')}",
        ),
    )
    listed = Panel(
        title="Pages",
        shape=Shape.LIST,
        columns=("On slurmlens",),
        cells=tuple((Cell(text=text, page=page),) for text, page in pages),
    )
    return Board(
        kind=BoardKind.ACCOUNT,
        cluster=cluster,
        name=account,
        title=f"Account {account}",
        rows=(BoardRow(title="Jobs and usage", panels=(listed,)), *jobs_rows(cluster, jobs)),
        page=page_of("accounts", account),
    )
