"""Every expression of every board is rendered by the real graphite-web, with series in carbon under our names."""

from __future__ import annotations

import socket
import time

import pytest
from deploy.carbon import Carbon

from slurmlens.hub.dashboards.all_boards import all_boards
from slurmlens.hub.dashboards.inputs import BoardJob, ClusterInputs
from testkit.board_series import POINTS, VALUE, asked_by, cluster_at, lines_of
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm


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
