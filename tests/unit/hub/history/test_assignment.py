"""Which run a sighting belongs to: what facts about Slurm demand, then everything that can go wrong at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.events import Witness
from slurmlens.hub.history.conclude.assignment import Assignment, Execution, Seen, assign
from slurmlens.hub.history.facts import HeldReason
from slurmlens.slurm.records import JobState

BEGIN_S = 1_795_420_800


def seen(start: float, end: float | None = None, *, name: str = "s1", node: str = "n1", **changes: object) -> Seen:
    """A sighting told by hooks; seconds after the begin."""
    made = Seen(
        node=node,
        sighting=name,
        boot_id="b1",
        boottime_ns=round(start * NS_PER_S),
        start_ns=BEGIN_S * NS_PER_S + round(start * NS_PER_S),
        end_ns=None if end is None else BEGIN_S * NS_PER_S + round(end * NS_PER_S),
        start_witness=Witness.HOOK,
        end_witness=None if end is None else Witness.HOOK,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def execution(
    submit: int,
    start: int | None,
    end: int | None = None,
    state: JobState = JobState.COMPLETED,
    nodes: tuple[str, ...] = ("n1", "n2"),
    restart_count: int | None = None,
) -> Execution:
    def absolute(seconds: int | None) -> int | None:
        return None if seconds is None else BEGIN_S + seconds

    return Execution(BEGIN_S + submit, absolute(start), absolute(end), state, nodes, restart_count)


def members(assignment: Assignment) -> list[list[str]]:
    return [[f"{one.node}/{one.sighting}" for one in run.members] for run in assignment.runs]


def test_a_sighting_belongs_to_the_run_in_whose_time_it_began() -> None:
    found = assign([seen(0.2, 31.4)], [execution(-3, 0, 31)])
    assert members(found) == [["n1/s1"]]
    assert found.held == {}


def test_a_requeued_job_has_two_runs_although_its_epilog_says_the_next_restart_count() -> None:
    first, second = seen(0.1, 8.2, restart_count=0), seen(130.1, 140.2, name="s2", restart_count=1)
    runs = [execution(-1, 0, 8, JobState.REQUEUED), execution(8, 130, 140)]
    found = assign([second, first], runs)
    assert members(found) == [["n1/s1"], ["n1/s2"]]
    assert [(run.number, run.incarnation) for run in found.runs] == [(1, 1), (2, 1)]


def test_a_reused_job_id_is_another_job() -> None:
    runs = [execution(-1, 0, 8), execution(9000, 9001, 9010)]
    found = assign([seen(0.1, 8.1), seen(9001.1, 9010.1, name="s2")], runs)
    assert [(run.number, run.incarnation) for run in found.runs] == [(1, 1), (2, 2)]


def test_a_finished_job_that_was_requeued_by_hand_is_known_by_its_restart_count() -> None:
    found = assign([], [execution(-1, 0, 8), execution(60, 70, 80, restart_count=1)])
    assert [run.incarnation for run in found.runs] == [1, 1]


def test_a_requeue_is_one_job_even_if_both_records_carry_the_same_restart_count() -> None:
    found = assign([], [execution(-1, 0, 8, restart_count=1), execution(8, 130, 140, restart_count=1)])
    assert [run.incarnation for run in found.runs] == [1, 1]


def test_a_restarted_daemons_second_sighting_joins_the_same_run() -> None:
    before = seen(0.1, name="s1")
    after = seen(20.0, 31.2, name="s2", start_witness=Witness.CGROUP)
    found = assign([before, after], [execution(-1, 0, 31)])
    assert members(found) == [["n1/s1", "n1/s2"]]


def test_a_node_whose_clock_is_wrong_by_half_a_minute_is_still_understood() -> None:
    runs = [execution(-1, 0, 8, JobState.REQUEUED), execution(8, 130, 140)]
    for skew_s in (-30.0, 30.0):
        sightings = [seen(0.1 + skew_s, 8.1 + skew_s), seen(130.1 + skew_s, 140.1 + skew_s, name="s2")]
        assert members(assign(sightings, runs)) == [["n1/s1"], ["n1/s2"]]


def test_two_prologs_on_one_node_are_never_one_run() -> None:
    found = assign([seen(0.1), seen(5.0, name="s2")], [execution(-1, 0, None, JobState.RUNNING)])
    assert members(found) == [["n1/s1"]]
    assert found.held == {("n1", "s2"): HeldReason.NO_OVERLAP}


def test_what_is_held_finds_its_run_when_the_scheduler_tells_of_it() -> None:
    sightings = [seen(0.1, 3.0), seen(5.0, name="s2")]
    runs = [execution(-1, 0, 3, JobState.REQUEUED), execution(3, 5, None, JobState.RUNNING)]
    assert members(assign(sightings, runs)) == [["n1/s1"], ["n1/s2"]]


def test_a_run_that_is_not_recorded_as_started_yet_holds_its_sighting() -> None:
    found = assign([seen(0.1)], [execution(-1, None, None, JobState.PENDING)])
    assert found.held == {("n1", "s1"): HeldReason.NOT_STARTED}


def test_without_a_record_the_nodes_alone_make_the_runs_and_it_shows() -> None:
    found = assign([seen(0.1, 5.0), seen(0.2, 5.1, node="n2"), seen(200.0, name="s2")], [])
    assert members(found) == [["n1/s1", "n2/s1"], ["n1/s2"]]
    assert set(found.held.values()) == {HeldReason.NO_RECORD}


def test_a_late_epilog_alone_belongs_to_the_run_that_ended() -> None:
    late = seen(40.0, 40.0, start_witness=Witness.CGROUP)
    assert members(assign([late], [execution(-1, 0, 31)])) == [["n1/s1"]]


def test_a_sluid_decides_against_all_times() -> None:
    runs = [replace(execution(-1, 0, 10, JobState.REQUEUED), sluid="A"), replace(execution(10, 130, 140), sluid="B")]
    found = assign([seen(130.0, 140.0, sluid="A")], runs)
    assert members(found) == [["n1/s1"], []]


def test_a_job_of_another_time_is_held() -> None:
    found = assign([seen(0.1, 4.0)], [execution(9000, 9001, 9010)])
    assert found.held == {("n1", "s1"): HeldReason.NO_OVERLAP}


# --- everything at once

NODES = ("n1", "n2", "n3")


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Seen], list[Execution], dict[tuple[str, str], int]]:
    """Runs one after another on nodes with clocks of their own; hooks get lost, daemons are restarted, arrival is any.

    Returns sightings, executions, and to which run (from 0) each sighting belongs in truth.
    """
    skew_s = {node: draw(st.floats(-2, 2)) for node in NODES}
    executions: list[Execution] = []
    sightings: list[Seen] = []
    truth: dict[tuple[str, str], int] = {}
    submit_s, start_s = 0.0, draw(st.floats(1, 5))
    for number in range(draw(st.integers(1, 4))):
        length_s = draw(st.floats(0.2, 120))
        nodes = draw(st.lists(st.sampled_from(NODES), min_size=1, unique=True))
        executions.append(
            Execution(
                submit_s=BEGIN_S + int(submit_s),
                start_s=BEGIN_S + int(start_s),
                end_s=BEGIN_S + int(start_s + length_s),
                state=JobState.REQUEUED,
                nodes=tuple(nodes),
            )
        )
        for node in nodes:
            for one in draw(_of_node(node, number, start_s + skew_s[node], start_s + length_s + skew_s[node])):
                sightings.append(one)
                truth[one.node, one.sighting] = number
        submit_s = start_s + length_s
        start_s = submit_s + draw(st.floats(8, 400))  # 22.05 waits two minutes, later releases can be told to wait less
    return draw(st.permutations(sightings)), draw(st.permutations(executions)), truth


@st.composite
def _of_node(draw: st.DrawFn, node: str, number: int, start_s: float, end_s: float) -> list[Seen]:
    has_prolog, has_epilog = draw(st.booleans()), draw(st.booleans())
    prolog_s = start_s + draw(st.floats(0, 0.5))
    begin = prolog_s if has_prolog else draw(st.floats(start_s, end_s))
    end = max(begin, end_s) + draw(st.floats(0, 1.5))
    first = replace(
        seen(begin, end, name=f"{number}a", node=node),
        start_witness=Witness.HOOK if has_prolog else Witness.CGROUP,
        end_witness=Witness.HOOK if has_epilog else Witness.CGROUP,
        restart_count=number if has_prolog and draw(st.booleans()) else None,
    )
    if end_s - begin < 2 or not draw(st.booleans()):
        return [first]
    restart_s = draw(st.floats(begin + 0.5, end_s - 0.5))
    second = seen(restart_s, end, name=f"{number}b", node=node, start_witness=Witness.CGROUP)
    return [replace(first, end_ns=None, end_witness=None), replace(second, end_witness=first.end_witness)]


@pytest.mark.thorough
@given(histories())
@settings(max_examples=300, deadline=None)
def test_every_sighting_finds_its_run_whatever_got_lost_and_in_whatever_order(
    told: tuple[list[Seen], list[Execution], dict[tuple[str, str], int]],
) -> None:
    sightings, executions, truth = told
    found = assign(sightings, executions)
    placed = {(one.node, one.sighting): run.number - 1 for run in found.runs for one in run.members}
    assert placed == truth
    assert found.held == {}


@pytest.mark.thorough
@given(histories())
@settings(max_examples=100, deadline=None)
def test_no_sighting_is_lost_or_counted_twice_when_the_scheduler_knows_only_some_runs(
    told: tuple[list[Seen], list[Execution], dict[tuple[str, str], int]],
) -> None:
    sightings, executions, _ = told
    found = assign(sightings, executions[1:])
    placed = [(one.node, one.sighting) for run in found.runs for one in run.members]
    everything = {(one.node, one.sighting) for one in sightings}
    assert len(placed) == len(set(placed))
    assert set(placed) | set(found.held) == everything
