"""What a job's page says of its nodes as machines: who is not like the others, and what can be given to the job."""

from __future__ import annotations

import pytest

from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.hub.views.entity.courses import MOST_POINTS, build_courses
from slurmlens.hub.views.job.machines import build_machines

HOUR_S = 3600.0
NS_PER_S = 10**9


def course(node: str, bins: int = 12, **means: float) -> NodeCourse:
    """A node that told the same all the time."""
    own = {name: (value,) * bins for name, value in ({"cores": 64.0} | means).items()}
    return NodeCourse(node=node, begins_s=tuple(300 * place for place in range(bins)), means=own, highs=own)


def test_a_node_that_is_not_like_its_siblings_is_named_with_the_counter() -> None:
    nodes = [course(f"n{number}", disk_latency=0.002, temperature=60.0) for number in range(1, 8)]
    nodes.append(course("n8", disk_latency=0.25, temperature=62.0))
    view = build_machines(nodes, {one.node: 64 for one in nodes}, HOUR_S)
    assert view is not None
    (odd,) = view.odd
    assert (odd.node, odd.figure) == ("n8", "disk_latency")
    assert odd.text == "slowest disk's latency: 250 ms, where its siblings have 2.0 ms"


@pytest.mark.parametrize(
    "figures",
    [
        [{"disk_latency": 0.002}, {"disk_latency": 0.25}],
        [{"temperature": 50.0 + 8 * number} for number in range(8)],
        [{"network_sent": 1e3 * 10**number} for number in range(4)],
    ],
    ids=["two nodes: which is odd?", "all differ", "little in all"],
)
def test_nodes_that_differ_for_other_reasons_are_not_odd(figures: list[dict[str, float]]) -> None:
    nodes = [course(f"n{number}", **own) for number, own in enumerate(figures)]
    view = build_machines(nodes, {one.node: 64 for one in nodes}, HOUR_S)
    assert view is None or view.odd == ()


def test_energy_is_estimated_by_the_share_of_cores() -> None:
    nodes = [course("n1", power=200.0), course("n2", power=100.0)]
    view = build_machines(nodes, {"n1": 32, "n2": 64}, HOUR_S)
    assert view is not None
    assert view.energy_joules == pytest.approx((100.0 + 100.0) * 3600)
    assert view.energy_is_share
    assert view.network_sent_bytes is None


def test_network_and_file_systems_are_the_jobs_where_its_nodes_were_its_own() -> None:
    nodes = [course("n1", network_sent=1e6, network_received=2e6, fabric_sent=1e6, files_written=3e6)]
    whole = build_machines(nodes, {"n1": 64}, HOUR_S)
    assert whole is not None
    assert (whole.network_sent_bytes, whole.network_received_bytes) == (2e6 * 3600, 2e6 * 3600)
    assert (whole.files_written_bytes, whole.files_read_bytes) == (3e6 * 3600, None)
    assert build_machines(nodes, {"n1": 63}, HOUR_S) is None


def test_what_nodes_told_too_little_of_makes_no_estimate() -> None:
    assert build_machines([course("n1", bins=5, power=200.0)], {"n1": 64}, HOUR_S) is None
    assert build_machines([course("n1", power=200.0)], {"n1": 64, "n2": 64}, HOUR_S) is None
    assert build_machines([course("n1", power=200.0)], {"n1": 64}, 299.0) is None
    assert build_machines([], {"n1": 64}, HOUR_S) is None


def test_a_week_of_a_node_fits_across_a_page_and_keeps_its_peaks() -> None:
    bins = 2016
    cpu = tuple(100.0 if place == 777 else 1.0 for place in range(bins))
    told = NodeCourse(
        node="n1", begins_s=tuple(300 * place for place in range(bins)), means={"cpu": cpu}, highs={"cpu": cpu}
    )
    charts = build_courses(told, 0, 300 * bins * NS_PER_S)
    assert charts is not None
    (chart,) = charts.charts
    assert len(charts.times_s) == MOST_POINTS == len(chart.series[0].values)
    assert max(value or 0.0 for value in chart.series[1].values) == 100.0
    assert chart.series[0].values[0] == 1.0


def test_a_node_that_told_nothing_has_no_charts() -> None:
    assert build_courses(None, 0, 1) is None
    assert build_courses(NodeCourse(node="n1"), 0, 1) is None


def test_a_node_that_told_for_a_minute_has_its_figures_in_the_middle_of_that_minute() -> None:
    charts = build_courses(
        NodeCourse(node="n1", begins_s=(300,), means={"cpu": (1.0,)}, highs={"cpu": (1.0,)}), 0, 360 * NS_PER_S
    )
    assert charts is not None
    assert (charts.start_s, charts.end_s, charts.times_s) == (300.0, 360.0, (330.0,))
