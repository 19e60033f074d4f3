"""Every expression of every board is rendered by the real graphite-web, with series in carbon under our names."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from deploy.carbon import Carbon

from slurmlens.hub.dashboards.all_boards import all_boards
from slurmlens.hub.dashboards.curves import JOB_PANELS, NODE_PANELS
from slurmlens.hub.dashboards.grafana import dashboard
from slurmlens.hub.dashboards.inputs import BoardJob, ClusterInputs
from slurmlens.wire import series_2015
from slurmlens.wire.carbon import SeriesBlock, node_prefix, slot_prefix
from testkit.board_inputs import ENDED, RUNNING, small_cluster
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm

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
        *(SeriesBlock(slot_prefix(CLUSTER, place.node, place.slot), metrics_of(JOB_PANELS)) for place in slots),
        *(SeriesBlock(node_prefix(CLUSTER, node.name), metrics_of(NODE_PANELS)) for node in inputs.nodes),
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


@pytest.fixture(scope="module")
def told(carbon: Carbon) -> tuple[Carbon, ClusterInputs, int]:
    """carbon with all series of the cluster, from a moment on."""
    begin_s = int(time.time()) - POINTS - 5
    inputs = cluster_at(begin_s)
    lines = list(lines_of(inputs, begin_s))
    with socket.create_connection(("127.0.0.1", carbon.port)) as connection:
        connection.sendall(b"".join(lines))
    last = lines[-1].split()[0].decode()
    until_blocking(lambda: [*values(carbon, last, begin_s).values()] == [[VALUE] * POINTS], "the last point is there")
    return carbon, inputs, begin_s


def values(carbon: Carbon, target: str, begin_s: int) -> dict[str, list[float]]:
    """The points of each curve by its name, gaps left out."""
    rendered = carbon.render(target, begin_s - 1, begin_s + POINTS - 1)
    return {one["target"]: [value for value, _ in one["datapoints"] if value is not None] for one in rendered}


def test_every_expression_of_every_board_is_rendered(told: tuple[Carbon, ClusterInputs, int]) -> None:
    carbon, inputs, begin_s = told
    asked = asked_by(inputs)
    assert len(asked) > 60
    empty = {target: boards for target, boards in asked.items() if not any(values(carbon, target, begin_s).values())}
    assert empty == {}


def test_curves_have_names_that_say_what_they_are(told: tuple[Carbon, ClusterInputs, int]) -> None:
    carbon, inputs, begin_s = told
    names = {name for target in asked_by(inputs) for name in values(carbon, target, begin_s)}
    assert [name for name in names if "(" in name or name.startswith(("slurm", "servers"))] == []
    assert {"n0", "n0.0", "n2_cluster", "jobs", "running", "job 4711", "first--2elast", "staff"} <= names


def test_a_job_has_no_points_of_a_slots_other_holders(told: tuple[Carbon, ClusterInputs, int]) -> None:
    carbon, inputs, begin_s = told
    ended, running = inputs.jobs
    # timeSlice counts from the request's begin, not from the first point: up to one point late.
    assert len(cpu_points(carbon, inputs, ended, begin_s)) in (10, 11)
    assert len(cpu_points(carbon, inputs, running, begin_s)) in (POINTS - 1, POINTS)


def cpu_points(carbon: Carbon, inputs: ClusterInputs, job: BoardJob, begin_s: int) -> list[float]:
    (board,) = [board for board in all_boards(inputs) if board.name == job.key]
    return values(carbon, board.rows[0].panels[0].targets[0], begin_s)["n0"]


def test_the_queue_counts_a_job_once(told: tuple[Carbon, ClusterInputs, int]) -> None:
    carbon, inputs, begin_s = told
    overview = next(iter(all_boards(inputs)))
    (queue,) = [panel for row in overview.rows for panel in row.panels if panel.title == "Jobs in the queue"]
    assert set(values(carbon, queue.targets[0], begin_s)["running"]) == {VALUE}
