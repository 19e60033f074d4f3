"""Every expression of every board is rendered by carbonapi (before go-carbon) and by VictoriaMetrics, too.

Beside tests/slurm/test_boards_rendered.py, which asks graphite-web. Both programs are built from their modules first.
carbonapi 0.16.1 reads the moments of timeSlice as intervals and refuses them: boards of jobs need one of the other two.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from deploy.components.carbonapi import CarbonApi
from deploy.components.go_carbon import GoCarbon
from deploy.components.victoria_metrics import VictoriaMetrics
from deploy.errors import DeployError
from deploy.sandbox import Sandbox

from slurmlens.hub.dashboards.inputs import ClusterInputs
from testkit.board_series import POINTS, asked_by, cluster_at, lines_of
from testkit.components import running
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slow  # minutes to build


class Renders(Protocol):
    """Whoever answers Graphite's /render."""

    def render(self, target: str, from_s: int, until_s: int) -> list[dict[str, Any]]:
        """[{"target": …, "datapoints": [[value or None, epoch], …]}, …]."""


@pytest.fixture(scope="module", params=["carbonapi", "VictoriaMetrics"])
def told(request: pytest.FixtureRequest, component_sandbox: Sandbox) -> Iterator[tuple[Renders, ClusterInputs, int]]:
    """It, with all series of a cluster from a moment on."""
    begin_s = int(time.time()) - POINTS - 5
    inputs = cluster_at(begin_s)
    lines = list(lines_of(inputs, begin_s))
    if request.param == "carbonapi":
        with running(GoCarbon(component_sandbox, "go-carbon-boards")) as store:
            send(store.port, lines)
            with running(CarbonApi(component_sandbox, store.url)) as renders:
                wait_for_all(renders, lines, begin_s)
                yield renders, inputs, begin_s
    else:
        with running(VictoriaMetrics(component_sandbox)) as renders:
            send(renders.port, lines)
            wait_for_all(renders, lines, begin_s)
            yield renders, inputs, begin_s


def send(port: int, lines: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"".join(lines))


def wait_for_all(renders: Renders, lines: list[bytes], begin_s: int) -> None:
    names = sorted({line.split()[0].decode() for line in lines})
    for name in names:
        until_blocking(lambda name=name: any(values(renders, name, begin_s).values()), name)


def values(renders: Renders, target: str, begin_s: int) -> dict[str, list[float]]:
    """The points of each curve by its name, gaps left out."""
    rendered = renders.render(target, begin_s - 1, begin_s + POINTS - 1)
    return {one["target"]: [value for value, _ in one["datapoints"] if value is not None] for one in rendered}


def test_every_expression_of_every_board_is_rendered(told: tuple[Renders, ClusterInputs, int]) -> None:
    renders, inputs, begin_s = told
    refused = {}
    for target, boards in asked_by(inputs).items():
        try:
            if not any(values(renders, target, begin_s).values()):
                refused[target] = f"empty, on {sorted(boards)}"
        except DeployError as error:
            refused[target] = str(error)
    unknown = "timeSlice(" if isinstance(renders, CarbonApi) else None
    assert {target for target in refused if unknown is None or unknown not in target} == set(), refused
    assert unknown is None or refused, "carbonapi knows timeSlice now: say so in docs/dashboards.md"


def test_curves_have_the_names_that_graphite_web_gives_them(told: tuple[Renders, ClusterInputs, int]) -> None:
    renders, inputs, begin_s = told
    is_carbonapi = isinstance(renders, CarbonApi)
    asked = [target for target in asked_by(inputs) if not (is_carbonapi and "timeSlice(" in target)]
    names = {name for target in asked for name in values(renders, target, begin_s)}
    assert [name for name in names if "(" in name or name.startswith(("slurm", "servers"))] == []
    assert {"n0", "n0.0", "n2_cluster", "jobs", "running", "first--2elast", "staff"} <= names
    assert is_carbonapi or "job 4711" in names
