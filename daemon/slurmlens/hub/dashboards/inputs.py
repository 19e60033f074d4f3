"""What boards are made from: a cluster's nodes, partitions, users and accounts, its jobs, and where the jobs ran.

Owns the types and how they come of the hub's views; knows no time and asks nobody. Fed by `slurmlens dashboards` with
what the hub answered to whoever asked, so a board never shows more than that reader may see.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.hub.dashboards.model import LineStore
from slurmlens.hub.views.entity.view import EntitiesView
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.views.jobs.view import JobLine

OWN_BOARD_AFTER_S = 300
"""A job that runs shorter than this gets no board of its own: it would be gone before anybody looks."""


class Placement(NamedTuple):
    """Where a part of a job ran: on this node, its series in this slot."""

    node: str
    slot: int


class BoardJob(msgspec.Struct, frozen=True, kw_only=True):
    """A run with a board of its own; times are whole seconds since the epoch, `end_s` None while it runs."""

    job_id: int
    run: int
    name: str
    user: str
    account: str = ""
    begin_s: int
    end_s: int | None
    placements: tuple[Placement, ...]

    @property
    def key(self) -> str:
        """What tells it from every other run."""
        return f"{self.job_id}.{self.run}"


class BoardNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node and its partitions."""

    name: str
    partitions: tuple[str, ...]


class ClusterInputs(msgspec.Struct, frozen=True, kw_only=True):
    """All that the boards of a cluster are made from; `running` and `ended` are lists of the overview."""

    cluster: str
    nodes: tuple[BoardNode, ...]
    partitions: tuple[str, ...]
    users: tuple[str, ...]
    accounts: tuple[str, ...] = ()
    running: tuple[JobLine, ...] = ()
    ended: tuple[JobLine, ...] = ()
    jobs: tuple[BoardJob, ...] = ()
    line_store: LineStore | None = None
    """A search server that keeps log lines, where there is one that Grafana may ask."""


def names_of(view: EntitiesView) -> tuple[str, ...]:
    """The names of a list of entities, in one order for ever."""
    return tuple(sorted({row.name for row in view.rows}))


def nodes_of(view: EntitiesView) -> tuple[BoardNode, ...]:
    """The nodes of a list, by name: their states do not move a board."""
    return tuple(
        BoardNode(name=row.name, partitions=row.partitions) for row in sorted(view.rows, key=lambda row: row.name)
    )


def deserves_board(line: JobLine, now_ns: int) -> bool:
    """Whether a running job gets one of its own; tasks of an array share the one with variables."""
    return (
        line.array_job_id is None
        and line.started_ns is not None
        and now_ns - line.started_ns >= OWN_BOARD_AFTER_S * NS_PER_S
    )


def job_of(view: JobView) -> BoardJob | None:
    """The run as boards need it; None where no node has told yet in which slot it is, or when it began."""
    places = tuple(
        Placement(node.name, node.slot)
        for node in sorted(view.nodes, key=lambda node: node.name)
        if node.slot is not None
    )
    if view.times.started_ns is None or not places:
        return None
    ended_ns = view.times.ended_ns
    return BoardJob(
        job_id=view.identity.job_id,
        run=view.identity.run,
        name=view.identity.name or "",
        user=view.identity.user or "",
        account=view.identity.account or "",
        begin_s=view.times.started_ns // NS_PER_S,
        end_s=None if ended_ns is None else -(-ended_ns // NS_PER_S),
        placements=places,
    )
