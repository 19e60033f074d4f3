"""What a run had is computed once: nodes, cores, GPUs, memory, time; a page and a row of the list cannot differ."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from slurmlens.events import JobIdentity, merged_identity
from slurmlens.hub.history.conclude.executions import VANISHED
from slurmlens.hub.history.conclude.run_extent import RunExtent, gpus_of, run_extent
from slurmlens.hub.history.facts import JobFacts, JobFilter
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.jobs.build import job_line
from slurmlens.slurm.records import JobState
from testkit.hub_history import History
from testkit.job_gallery import GALLERY
from testkit.job_hub import row_of
from testkit.job_parts import GIB, START_NS, S, make_record
from testkit.told_events import Told

CUT = "n[0001-0099,0101-0199,03"


def extent(
    identity: JobIdentity | None = None,
    reporting: tuple[str, ...] = (),
    *,
    state: JobState = JobState.RUNNING,
    end_ns: int | None = None,
    **fields: Any,
) -> RunExtent:
    record = make_record(state, None, **fields) if fields else None
    return run_extent(
        state, record, identity, reporting=reporting, start_ns=START_NS, end_ns=end_ns, now_ns=START_NS + 100 * S
    )


@pytest.mark.parametrize("name", GALLERY)
def test_a_row_of_the_list_says_what_the_page_says(name: str) -> None:
    facts: JobFacts = GALLERY[name]()
    view, line = build_job_view(facts), job_line(row_of(facts), facts.as_of_ns)
    assert (line.phase, line.ran) == (view.phase, view.times.ran)
    allocation = view.allocation
    assert (line.node_list, line.node_count, line.cores) == (
        allocation.node_list,
        allocation.node_count,
        allocation.cores,
    )


def test_time_that_a_job_stood_suspended_is_no_time_that_it_ran() -> None:
    had = extent(suspended_s=40, cpu_count=4)
    assert (had.ran_s, had.core_s) == (60.0, 240.0)


def test_a_job_that_the_scheduler_has_forgotten_does_not_run_on_in_the_list() -> None:
    had = extent(state=JobState.UNKNOWN, state_flags=(VANISHED,))
    assert had.is_over
    assert had.ran_s is None


def test_memory_of_a_node_is_its_share_of_what_was_given() -> None:
    had = extent(memory_bytes=8 * GIB, requested_memory_bytes=4 * GIB, node_count=4, nodes=("c1", "c2", "c3", "c4"))
    assert (had.memory_per_node_bytes, had.memory_asked_bytes) == (2 * GIB, 4 * GIB)


def test_gpus_are_the_sum_that_the_scheduler_names_else_that_of_their_types() -> None:
    assert gpus_of(make_record(JobState.RUNNING, None, tres={"cpu": 8, "gres/gpu": 4, "gres/gpu:a100": 4})) == 4
    assert gpus_of(make_record(JobState.RUNNING, None, tres={"gres/gpu:a100": 3, "gres/gpu:h100": 1})) == 4
    assert gpus_of(make_record(JobState.RUNNING, None, tres={"cpu": 8})) is None
    assert extent(tres={"gres/gpu": 2}, suspended_s=50).gpu_s == 100.0


def test_cores_go_by_the_list_of_nodes_that_stands_beside_them_and_not_by_who_reported_first() -> None:
    identity = JobIdentity(job_id=1, node_list="hpc-[71,231]", cpus_per_node="32,8")
    had = extent(identity, reporting=("hpc-231", "hpc-71"))
    assert had.cores_by_node == {"hpc-231": 8, "hpc-71": 32}
    assert had.cores == 40


def test_a_list_of_nodes_that_the_hook_cut_is_marked_and_not_shown_with_half_a_name() -> None:
    identity = JobIdentity(job_id=1, node_list=CUT, node_count=400, cut=("node_list",))
    had = extent(identity, reporting=("n0001",))
    assert (had.node_list, had.node_list_is_cut) == ("n[0001-0099,0101-0199,…", True)
    assert had.node_count == 400


def test_the_schedulers_whole_list_takes_the_place_of_a_cut_one() -> None:
    identity = JobIdentity(job_id=1, node_list=CUT, node_count=400, cut=("node_list",))
    had = extent(identity, nodes=("c1", "c2"))
    assert (had.node_list, had.node_list_is_cut) == ("c[1-2]", False)


def test_cores_that_stand_in_a_cut_list_are_not_counted() -> None:
    identity = JobIdentity(job_id=1, cpus_per_node="32,8,32,8,3", node_list=CUT, cut=("cpus_per_node", "node_list"))
    had = extent(identity, reporting=("n0001",))
    assert (had.cores, had.core_s, had.cores_by_node) == (None, None, {})


def test_a_page_without_the_schedulers_record_says_that_its_list_of_nodes_is_cut() -> None:
    facts = GALLERY["silent_scheduler"]()
    cut = msgspec.structs.replace(facts.identity, node_list=CUT, cut=("node_list",))
    view = build_job_view(msgspec.structs.replace(facts, identity=cut))
    assert view.allocation.node_list_is_cut
    assert any("not whole" in note for note in view.provenance.notes)


async def test_the_mark_of_a_cut_list_goes_from_the_hooks_event_to_the_page_and_the_list(history: History) -> None:
    starts = [
        Told(node=node).start(0, node_list=CUT, node_count=400, cpus_per_node="4(x400)", cut=("node_list",))
        for node in ("n0001", "n0002")
    ]
    await history.hear(*starts, Told(node="n0001").summary(0, 50))
    view = build_job_view(await history.facts())
    assert view.allocation.node_list_is_cut
    assert (view.allocation.node_list, view.allocation.node_count) == ("n[0001-0099,0101-0199,…", 400)
    (row,) = await history.listed(JobFilter())
    line = job_line(row, history.clock.wall_ns())
    assert (line.node_list, line.node_count, line.cores) == (view.allocation.node_list, 400, 1600)


def test_where_only_some_of_a_jobs_nodes_are_known_their_list_is_marked() -> None:
    had = extent(JobIdentity(job_id=1, node_count=400), reporting=("n0001", "n0002"))
    assert (had.node_list, had.node_list_is_cut) == ("n[0001-0002],…", True)


def test_what_is_merged_is_cut_where_the_value_that_was_taken_is() -> None:
    first = JobIdentity(job_id=1, node_list="n[1-2,", job_name="gemm", cut=("node_list",))
    second = JobIdentity(job_id=1, node_list="n[1-200]", cpus_per_node="4,", cut=("cpus_per_node",))
    assert merged_identity((first, second)).cut == ("node_list", "cpus_per_node")
    assert merged_identity((second, first)).cut == ("cpus_per_node",)
