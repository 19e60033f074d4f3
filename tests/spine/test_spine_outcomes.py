"""Every end of a job is told as what it was, on the page and in the report: real Slurm, real hooks, real hub."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from deploy.slurmlens import program

from testkit.spine import Jobs, Spine

pytestmark = pytest.mark.slurm


def test_a_script_that_exits_42_is_failed_42_0(road: Spine, jobs: Jobs) -> None:
    view = road.ended_view(jobs.failed)
    assert view["state_text"] == "FAILED 42:0"
    assert "42" in view["headline"]


def test_a_cancelled_job_is_cancelled_and_says_by_whom(road: Spine, jobs: Jobs) -> None:
    view = road.ended_view(jobs.cancelled)
    assert view["state_text"].startswith("CANCELLED")
    assert "bob" in view["headline"]


def test_a_job_cancelled_while_pending_never_ran(road: Spine, jobs: Jobs) -> None:
    view = road.ended_view(jobs.pending_cancelled)
    assert view["state_text"].startswith("CANCELLED")
    assert view["times"]["started_ns"] is None
    assert view["cpu"]["used"] is None


def test_a_job_killed_for_memory_is_told_by_scheduler_and_counters(road: Spine, jobs: Jobs) -> None:
    view = road.ended_view(jobs.memory)
    assert view["state_text"].startswith("OUT_OF_MEMORY")
    limit = 64 * 2**20
    assert view["memory"]["asked"] == limit
    assert view["memory"]["used"] >= 56 * 2**20


def test_every_task_of_an_array_is_a_job_of_its_own(road: Spine, jobs: Jobs) -> None:
    def measured_tasks() -> list[dict[str, Any]] | None:
        rows = road.get("/jobs.json?user=carol")["rows"]
        tasks = [row for row in rows if row["array_job_id"] == jobs.array and row["cpu"]["used"] is not None]
        return tasks if [task["phase"] for task in tasks] == ["ended"] * 3 else None

    rows = road.wait("three ended array tasks", measured_tasks, 120)
    assert sorted(row["array_task_id"] for row in rows) == [1, 2, 3]
    for row in rows:
        assert row["state_text"] == "COMPLETED"
        assert row["cpu"]["used"] == pytest.approx(1.0, rel=0.15)


def test_a_name_full_of_markup_and_paths_stays_a_name(road: Spine, jobs: Jobs) -> None:
    view = road.ended_view(jobs.hostile)
    # Slurm 22.05 itself makes a backquote of the double quote that was asked for.
    assert view["identity"]["name"] == "`><script>alert(1)</script>'../..%0a.dot"
    assert view["state_text"] == "COMPLETED"


def test_a_job_over_two_nodes_is_one_job_with_two_nodes(road: Spine, jobs: Jobs) -> None:
    view = road.ended_view(jobs.mpi, 180)
    assert view["state_text"] == "COMPLETED"
    assert sorted(node["name"] for node in view["nodes"]) == road.stack.slurm.node_names[:2]
    assert all(node["cpu"]["used"] > 0.5 for node in view["nodes"])
    assert view["cpu"]["used"] == pytest.approx(sum(node["cpu"]["used"] for node in view["nodes"]))
    assert {step["step"] for step in view["steps"]} >= {"0", "batch"}


def test_a_time_limit_is_a_timeout(road: Spine, jobs: Jobs) -> None:
    view = road.ended_view(jobs.timeout, 180)
    assert view["state_text"].startswith("TIMEOUT")
    assert view["times"]["ran"]["used"] >= 60


def test_a_requeued_job_has_two_runs_each_with_its_own_hooks(road: Spine, jobs: Jobs) -> None:
    """It waits two minutes before its second run, and its first Epilog already says the second's restart count."""
    second = road.ended_view(jobs.requeued, 300, run=2)
    first = road.view(jobs.requeued, 1)
    assert second["state_text"] == "COMPLETED"
    assert second["identity"]["runs"] == 2
    assert first["state_text"] != "COMPLETED"
    assert first["times"]["ended_ns"] < second["times"]["started_ns"]
    for view in (first, second):
        assert {view["times"]["start_source"], view["times"]["end_source"]} == {"hook"}


def test_the_terminal_report_of_a_failed_job_fits_80_columns(road: Spine, jobs: Jobs) -> None:
    road.ended_view(jobs.failed)
    argv = [str(program("slurmlens")), "job", str(jobs.failed), "--hub", road.stack.hub.url]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    assert "FAILED 42:0" in shown.splitlines()[0]
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_the_hub_holds_the_id_of_every_event_that_a_hook_accepted(road: Spine, jobs: Jobs) -> None:
    road.ended_view(jobs.mpi, 180)
    accepted = road.accepted_ids() - road.destroyed
    assert len(accepted) >= 10
    held: set[str] = set()

    def all_held() -> bool:
        for row in road.get("/jobs.json?limit=1000")["rows"]:
            held.update(event["event"]["id"] for event in road.events(row["job_id"]))
        return accepted <= held

    road.wait("every accepted event at the hub", all_held, 60)
