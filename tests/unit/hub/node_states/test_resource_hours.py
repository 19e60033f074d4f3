"""How busy measured resources were, hour by hour: sums that do not depend on order, batches or how often nodes tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.events import MachineState
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.hub.node_states.resource_hours import MeasuredResource, ResourceHour, used_of
from slurmlens.hub.node_states.resources import UseFigures
from testkit.hub_history import History
from testkit.node_tellings import node_state
from testkit.told_events import BEGIN_S

HOUR_S = 3_600
FIRST_S = -(-BEGIN_S // HOUR_S) * HOUR_S
"""The first whole hour."""


def told(at_s: float, node: str, busy: float, cores: float = 8.0) -> MachineState:
    readings = [("cpu.user_cores", "", busy), ("cpu.cores_count", "", cores)]
    return node_state(FIRST_S - BEGIN_S + at_s, *readings, node=node)


@pytest.fixture
def queries(history: History) -> NodeStateQueries:
    return NodeStateQueries(history.store, "demo")


async def cpu(queries: NodeStateQueries) -> list[ResourceHour]:
    found = await queries.resource_hours(EVERYBODY, FIRST_S - HOUR_S, FIRST_S + 3 * HOUR_S)
    return [one for one in found if one.resource is MeasuredResource.CPU]


async def test_an_hour_is_what_all_nodes_used_of_what_all_had(history: History, queries: NodeStateQueries) -> None:
    await history.hear(told(10, "n1", 8.0), told(20, "n2", 0.0, 24.0))
    await history.hear(told(70, "n1", 8.0), told(80, "n2", 0.0, 24.0))
    await history.hear(told(HOUR_S + 5, "n1", 4.0))
    assert await cpu(queries) == [
        ResourceHour(MeasuredResource.CPU, FIRST_S, pytest.approx(0.25)),
        ResourceHour(MeasuredResource.CPU, FIRST_S + HOUR_S, pytest.approx(0.5)),
    ]


async def test_what_is_told_twice_or_late_counts_once(history: History, queries: NodeStateQueries) -> None:
    first, second = told(10, "n1", 8.0), told(70, "n1", 0.0)
    await history.hear(first, second)
    before = await cpu(queries)
    await history.hear(first, second)
    await history.hear(told(40, "n1", 8.0))
    assert await cpu(queries) == before == [ResourceHour(MeasuredResource.CPU, FIRST_S, pytest.approx(0.5))]


async def test_batches_do_not_change_the_sums(history: History, queries: NodeStateQueries) -> None:
    events = [told(60 * number, f"n{number % 3}", float(number % 9)) for number in range(30)]
    for begin in range(0, 30, 7):
        await history.hear(*events[begin : begin + 7])
    (found,) = await cpu(queries)
    assert found.ratio == pytest.approx(sum(number % 9 for number in range(30)) / (30 * 8))


NUMBERS = st.none() | st.floats(-1e30, 1e30)


@given(NUMBERS, NUMBERS, NUMBERS, st.integers(0, 16))
def test_no_share_is_outside_of_none_and_all_whatever_is_told(
    used: float | None, whole: float | None, disk: float | None, gpus: int
) -> None:
    figures = UseFigures(
        busy_cores=used, cores=whole, memory_used_bytes=whole, memory_bytes=used, disk_busy_ratio=disk, gpus=gpus,
        busy_gpus=used,
    )  # fmt: skip
    for _, part, all_of_it in used_of(figures):
        assert 0 <= part <= all_of_it
        assert all_of_it > 0
