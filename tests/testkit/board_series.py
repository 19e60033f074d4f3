"""Series of all that a cluster's boards ask for, as nodes and hub would send them, and every expression of these."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from slurmlens.hub.dashboards.all_boards import all_boards
from slurmlens.hub.dashboards.curves import JOB_CURVES, NODE_CURVES
from slurmlens.hub.dashboards.grafana import dashboard
from slurmlens.hub.dashboards.inputs import ClusterInputs
from slurmlens.wire import series_2015
from slurmlens.wire.carbon import SeriesBlock, node_prefix, slot_prefix
from testkit.board_inputs import ENDED, RUNNING, small_cluster

CLUSTER = "boards"
POINTS = 40
VALUE = 3.0


def cluster_at(begin_s: int) -> ClusterInputs:
    """The small cluster, its jobs laid over the points: one begins at the first, one has the middle of a slot."""
    ended = msgspec.structs.replace(ENDED, begin_s=begin_s + 10, end_s=begin_s + 20)
    running = msgspec.structs.replace(RUNNING, begin_s=begin_s)
    return msgspec.structs.replace(small_cluster(), cluster=CLUSTER, jobs=(ended, running))


def lines_of(inputs: ClusterInputs, begin_s: int) -> Iterator[bytes]:
    """Points of all series that nodes and hub would send, one a second."""
    slots = {place for job in inputs.jobs for place in job.placements}
    blocks = [
        *(SeriesBlock(slot_prefix(CLUSTER, place.node, place.slot), metrics_of(JOB_CURVES)) for place in slots),
        *(SeriesBlock(node_prefix(CLUSTER, node.name), metrics_of(NODE_CURVES)) for node in inputs.nodes),
    ]
    whose = [("total",), ("groups", "staff"), *(("users", user) for user in inputs.users)]
    for time_s in range(begin_s, begin_s + POINTS):
        yield from (block.encode([VALUE] * len(block.names), time_s) for block in blocks)
        points = [series_2015.context_switches(node.name, VALUE) for node in inputs.nodes]
        for state in ("RUNNING", "PENDING"):
            points += [point for one in whose for point in series_2015.queue(one, state, 3, 3, 3)]
        yield from series_2015.lines(points, time_s)


def metrics_of(panels: tuple[Any, ...]) -> list[str]:
    return sorted({metric for panel in panels for metric in (*panel.up[:1], *panel.down[:1])})


def asked_by(inputs: ClusterInputs) -> dict[str, set[str]]:
    """Every expression, as Grafana sends it once a reader chose, with the boards that ask it."""
    found: dict[str, set[str]] = {}
    for board in all_boards(inputs):
        for panel in json.loads(dashboard(board))["panels"]:
            for target in panel.get("targets", ()):
                chosen = target["target"].replace("$node", "{n0,n1}").replace("$slot", "0")
                found.setdefault(chosen, set()).add(board.title)
    return found
