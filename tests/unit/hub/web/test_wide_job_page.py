"""The page of a job on a thousand nodes: bands, the odd ones by name, the rest a link away, and few bytes."""

from __future__ import annotations

from functools import cache

import msgspec
import pytest

from slurmlens.hub.history.facts import JobFacts, NodeFacts
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.view import MOST_NODE_ROWS, NODE_ROWS_OF_MORE
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.render import make_environment
from slurmlens.hub.web.shown import Shown
from slurmlens.slurm.records import JobState
from testkit.job_parts import make_facts, make_node, make_profile, make_record, small_courses, steady, until

SECONDS = 340.0
MOST_BYTES = 300_000


@cache
def wide(nodes: int) -> JobFacts:
    """All nodes busy but the last, which stops in the middle of the run."""
    names = tuple(f"n{number:04}" for number in range(nodes))
    profiles = [make_profile(SECONDS, small_courses(seed)) for seed in range(8)]
    stopped = make_profile(SECONDS, small_courses(9, until(steady(1.9), SECONDS / 2)))
    told: list[NodeFacts] = [
        make_node(name, SECONDS, profile=profiles[number % 8], totals=None) for number, name in enumerate(names)
    ]
    told[-1] = msgspec.structs.replace(told[-1], profile=stopped)
    record = make_record(JobState.COMPLETED, SECONDS, nodes=names, node_count=nodes, cpu_count=2 * nodes)
    return make_facts(JobState.COMPLETED, "COMPLETED", SECONDS, record=record, nodes=tuple(told), identity=None)


@pytest.mark.parametrize("nodes", [MOST_NODE_ROWS, 1000])
async def test_it_stays_small_and_names_the_odd_node_first(nodes: int) -> None:
    page = await Shown(build_job_view(wide(nodes)), make_environment(Assets())).page("/jobs/4711")
    assert len(page.encode()) <= MOST_BYTES
    rows = page[page.index('aria-label="Nodes"') :]
    assert f"n{nodes - 1:04}" in rows[: rows.index("</tr>", rows.index("<tbody>"))]


async def test_the_nodes_that_are_not_in_the_table_are_counted_and_a_link_away() -> None:
    view = build_job_view(wide(1000))
    page = await Shown(view, make_environment(Assets())).page("/jobs/4711")
    assert page.count('<td class="note">') == NODE_ROWS_OF_MORE
    assert f"{1000 - NODE_ROWS_OF_MORE} nodes more" in page
    assert '<a href="/jobs/4711/1.csv">' in page
    assert len(view.nodes) == 1000
    assert all(node.cpu_course for node in view.nodes[:NODE_ROWS_OF_MORE])
    assert not any(node.cpu_course for node in view.nodes[NODE_ROWS_OF_MORE:])


def test_its_bands_are_three_lines_and_the_odd_node_has_its_own() -> None:
    view = build_job_view(wide(1000))
    assert view.charts is not None
    assert [series.role for series in view.charts.charts[0].series] == ["low", "median", "high", "odd"]
