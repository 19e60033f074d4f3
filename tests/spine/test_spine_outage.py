"""A node daemon that is stopped before, in mid-job, before the Epilog: nothing lost, nothing invented."""

from __future__ import annotations

from typing import Any

import pytest
from deploy.component import start_and_wait

from testkit.spine import Spine, restart

pytestmark = pytest.mark.slurm


def actions(road: Spine, job_id: int) -> list[str]:
    return [event["event"]["action"] for event in road.events(job_id)]


def node_of(view: dict[str, Any]) -> dict[str, Any]:
    (node,) = view["nodes"]
    return dict(node)


@pytest.fixture
def node(road: Spine) -> str:
    """The node that the shared jobs leave alone."""
    return road.stack.slurm.node_names[2]


def test_a_daemon_stopped_before_the_prolog_still_tells_start_and_totals(road: Spine, node: str) -> None:
    daemon = road.stack.nodes[node]
    daemon.stop()
    job = road.submit('"$WORKLOADS/burn" 2; sleep 8', f"--nodelist={node}", "--mem=200")
    road.stack.slurm.wait_state(job, "RUNNING")
    restart(road, node)
    view = road.ended_view(job)
    assert view["times"]["start_source"] == "hook"
    assert view["cpu"]["used"] == pytest.approx(2.0, rel=0.15)
    assert road.accepted_ids() & {event["event"]["id"] for event in road.events(job)}


def test_a_daemon_killed_in_mid_job_shows_a_gap_and_right_totals(road: Spine, node: str) -> None:
    daemon = road.stack.nodes[node]
    job = road.submit('"$WORKLOADS/burn" 3; sleep 6; "$WORKLOADS/burn" 2; sleep 4', f"--nodelist={node}", "--mem=200")
    road.wait("a first profile at the hub", lambda: "job-profile" in actions(road, job))
    assert daemon.process is not None
    daemon.process.kill()
    daemon.stop()
    road.wait("the second half of the job", lambda: road.view(job)["times"]["ran"]["used"] > 8)
    restart(road, node)
    view = road.ended_view(job)
    assert view["cpu"]["used"] == pytest.approx(5.0, rel=0.15)
    (cpu,) = [chart for chart in view["charts"]["charts"] if chart["key"] == "cpu"]
    drawn = [value is not None for value in cpu["series"][0]["values"]]
    inside = drawn[drawn.index(True) : len(drawn) - drawn[::-1].index(True)]
    assert False in inside, "the time without a daemon is a gap"


def test_a_daemon_stopped_before_the_epilog_tells_the_end_later_and_invents_nothing(road: Spine, node: str) -> None:
    daemon = road.stack.nodes[node]
    job = road.submit('"$WORKLOADS/burn" 2; sleep 3', f"--nodelist={node}", "--mem=200")
    road.wait("the start at the hub", lambda: "job-start" in actions(road, job))
    daemon.stop()
    road.stack.slurm.wait(job)
    restart(road, node)
    view = road.ended_view(job)
    assert view["times"]["end_source"] == "hook"
    used, is_complete = view["cpu"]["used"], view["cpu"]["complete"]
    assert used is None or used <= 2.5
    assert not is_complete or used == pytest.approx(2.0, rel=0.15)
    told = [event["event"] for event in road.events(job) if event["event"]["action"] in ("job-start", "job-end")]
    assert [one["action"] for one in told] == ["job-start", "job-end"]
    assert {one["id"] for one in told} <= road.accepted_ids(), "an end of the daemon's own invention"


def test_an_epilog_that_a_reboot_swallowed_ends_the_job_all_the_same_and_is_marked(road: Spine, node: str) -> None:
    """A machine loses what it has in memory: its dropbox, and what one daemon leaves to the next. The hub restarts."""
    daemon = road.stack.nodes[node]
    job = road.submit('"$WORKLOADS/burn" 1; sleep 2', f"--nodelist={node}", "--mem=200")
    road.wait("the start at the hub", lambda: "job-start" in actions(road, job))
    daemon.stop()
    road.stack.hub.stop()
    road.stack.slurm.wait(job)
    road.empty_dropbox(node)
    assert len(road.destroyed) == 1
    (daemon.folder / "run" / "sightings.json").unlink()
    start_and_wait(road.stack.hub)
    restart(road, node)
    view = road.ended_view(job)
    assert (view["state_text"], view["times"]["end_source"]) == ("COMPLETED", "scheduler")
    assert "reconciled" in node_of(view)["notes"][0]["text"]
    assert any("reconciled" in note for note in view["provenance"]["notes"])
