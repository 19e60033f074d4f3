"""A board of 2015 still shows data: its own targets, asked of the real Graphite, and the files in the real whisper."""

from __future__ import annotations

import pytest
from deploy.slurmlens import SERIES_2015_INTERVAL_S

from slurmlens.wire.series_2015 import PROGRAM_FIGURES
from testkit.spine import Jobs, Spine
from testkit.whisper import finest_points, series_file

pytestmark = pytest.mark.slurm
NS_PER_S = 1_000_000_000


def span(road: Spine, job_id: int) -> tuple[int, int]:
    """Seconds in which the job surely ran."""
    summaries = road.summaries(job_id)
    begin = max(one["slurm"]["start_ns"] for one in summaries)
    end = min(one["slurm"]["end_ns"] for one in summaries)
    return begin // NS_PER_S + 1, end // NS_PER_S


def highest(road: Spine, target: str, from_s: int, until_s: int) -> dict[str, float]:
    """Of each series of the answer."""
    return {
        series["target"]: max(values)
        for series in road.stack.carbon.render(target, from_s, until_s)
        if (values := [value for value, _ in series["datapoints"] if value is not None])
    }


def test_the_queue_of_users_and_groups_reads_back_through_render(road: Spine, jobs: Jobs) -> None:
    road.ended_view(jobs.mpi, 180)
    from_s, until_s = span(road, jobs.mpi)
    # The two rows of the overview board: nodes in use by user, and what waits and runs.
    nodes = highest(road, "aliasByNode(slurm.stats.users.*.RUNNING.nodes, 3)", from_s, until_s)
    assert nodes["alice"] >= 2
    groups = highest(road, "aliasByNode(slurm.stats.groups.*.RUNNING.jobs, 3)", from_s, until_s)
    assert groups["clusers"] >= 1
    (total,) = highest(road, "slurm.stats.total.RUNNING.jobs", from_s, until_s).values()
    (by_user,) = highest(road, "sumSeries(slurm.stats.users.*.RUNNING.jobs)", from_s, until_s).values()
    assert total == by_user >= 1


def test_processes_network_and_context_switches_read_back_through_render(road: Spine, jobs: Jobs) -> None:
    road.ended_view(jobs.mpi, 180)
    from_s, until_s = span(road, jobs.mpi)
    name = road.stack.slurm.node_names[0]
    users = highest(road, f"aliasByNode(psutil.compute.{name}.user.*, 4)", from_s, until_s)
    assert users["alice"] >= 1
    (switches,) = highest(road, f"servers.{{{name}}}.proc.ctxt", from_s, until_s).values()
    assert switches > 0
    received = highest(road, f"aliasByNode(servers.{{{name}}}.network.*.rx_byte, 3)", from_s, until_s)
    sent = highest(road, f"aliasByNode(servers.{name}.network.*.tx_bit, 3)", from_s, until_s)
    assert received.keys() == sent.keys()


def test_a_program_that_runs_has_its_figures(road: Spine) -> None:
    name = road.stack.slurm.node_names[0]
    job = road.submit(
        f'exec "$WORKLOADS/burn" {3 * SERIES_2015_INTERVAL_S}', f"--nodelist={name}", "--mem=50", user="eve"
    )
    road.ended_view(job, 180)
    from_s, until_s = span(road, job)
    figures = highest(road, f"aliasByNode(psutil.compute.{name}.eve.burn.*, 5)", from_s, until_s)
    assert figures["num_threads"] == 1
    assert figures["cpu_user"] > 0
    assert set(figures) <= set(PROGRAM_FIGURES)


def test_the_points_are_in_the_files_of_whisper(road: Spine, jobs: Jobs) -> None:
    road.ended_view(jobs.mpi, 180)
    whisper = road.stack.carbon.whisper
    node = road.stack.slurm.node_names[0]
    for series in (
        "slurm.stats.users.alice.RUNNING.nodes",
        f"psutil.compute.{node}.state.running",
        f"servers.{node}.proc.ctxt",
    ):
        assert finest_points(series_file(whisper, series)), series
