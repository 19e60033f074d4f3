"""A summary that is owed when the daemon is killed: the next one sends it, once, and makes nothing up."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from slurmlens.events import Figure, FigureSource, JobEnd, JobStart, JobSummary, Profile, Totals, Witness
from slurmlens.node.registry.roster import OWED_SUMMARIES
from testkit.registry_node import EARLIER_BOOT, Node, moment

USED = Figure(value=12.5, source=FigureSource.PARENT_REST)


def ran(node: Node, *, cgroup_stays: bool, job_id: int = 7) -> None:
    node.prolog(job_id, 1010.0)
    node.appears(job_id, 1010.1)
    if not cgroup_stays:
        node.vanishes(job_id, 1039.0)
    node.epilog(job_id, 1040.0)


def vanished_unheard(node: Node) -> None:
    node.appears(7, 1010.1)
    node.tick(1013.0)
    node.vanishes(7, 1039.0)
    node.tick(1045.0)


def killed(node: Node, at_s: float, totals: dict[int, Totals] | None = None) -> Node:
    """The next daemon, ten seconds later, with what stood in the file."""
    return node.restarted(at_s, totals, after_s=10.0)


@pytest.mark.parametrize(
    "ended",
    [
        pytest.param(lambda node: ran(node, cgroup_stays=True), id="while its cgroup was there"),
        pytest.param(lambda node: ran(node, cgroup_stays=False), id="while it was summed up"),
        pytest.param(vanished_unheard, id="without an Epilog"),
    ],
)
def test_the_next_daemon_sends_what_the_killed_one_owed(ended: Callable[[Node], None]) -> None:
    before = Node()
    ended(before)
    after = killed(before, 1041.0)
    after.tick(1053.1, 1060.0, 1200.0)
    (summary,), (end,) = after.summaries(), before.events(JobEnd)
    before.tick(1100.0)  # what the killed one would have said
    (same,) = before.summaries()
    assert (summary.id, summary.sighting) == (same.id, end.sighting)
    assert (summary.start_ns, summary.end_ns, summary.slot) == (same.start_ns, same.end_ns, same.slot)
    assert (summary.start_witness, summary.end_witness) == (same.start_witness, end.witness)
    assert summary.totals == Totals(samples=0), "what nobody kept is unknown"
    assert summary.unseen_s > 20.0, "and counts as not watched"
    assert after.events(JobStart) == after.events(JobEnd) == []


def test_what_was_measured_when_its_end_was_told_is_told_as_incomplete() -> None:
    before = Node()
    ran(before, cgroup_stays=True)
    after = killed(before, 1041.0, {1: Totals(samples=9, cpu_s=USED)})
    after.tick(1060.0)
    (summary,) = after.summaries()
    assert summary.totals.cpu_s == Figure(value=12.5, source=FigureSource.LAST_SAMPLE, complete=False)
    assert summary.unseen_s == 0.0


def test_what_was_summed_up_but_not_safe_is_sent_as_it_was_but_for_its_profile() -> None:
    before = Node()
    ran(before, cgroup_stays=False)
    (draft,) = before.summaries()
    measured = _with(draft, Totals(samples=9, cpu_s=USED), Profile(start_ns=0, width_s=1.0, columns={}))
    before.registry.summed_up(measured)
    after = killed(before, 1041.0)
    after.tick(1060.0)
    assert after.summaries() == [_with(measured, measured.totals, None)]
    third = killed(after, 1070.0)
    third.tick(1100.0)
    assert third.summaries() == after.summaries(), "killed again: still owed, still the same"


def test_what_is_safe_is_owed_no_more() -> None:
    before = Node()
    ran(before, cgroup_stays=False)
    before.registry.settled(before.summaries()[0].id)
    before.registry.settled("of nobody")
    after = killed(before, 1041.0)
    after.tick(1060.0)
    assert after.summaries() == []


@pytest.mark.parametrize("later_s", [1051.0, 1060.0], ids=["before it is summed up", "after it"])
def test_hooks_that_are_read_again_say_the_same_and_begin_no_run(later_s: float) -> None:
    before = Node()
    ran(before, cgroup_stays=False)
    after = killed(before, 1041.0)
    after.tick(later_s)
    after.prolog(7, 1010.0)
    after.epilog(7, 1040.0)
    after.tick(1100.0)
    assert after.events(JobStart) == before.events(JobStart)
    assert after.events(JobEnd) == before.events(JobEnd)
    assert len(after.summaries()) == 1
    assert after.registry.sightings() == []


def test_a_cgroup_that_outlives_its_told_end_is_no_new_run() -> None:
    before = Node()
    ran(before, cgroup_stays=True)
    after = killed(before, 1041.0)
    after.appears(7, 1051.0)
    after.tick(1060.0)
    after.vanishes(7, 1061.0)
    after.tick(1200.0)
    assert (after.events(JobStart), after.watches(), len(after.summaries())) == ([], [], 1)


def test_the_next_run_of_the_job_has_the_cgroup_that_outlived_the_last_one() -> None:
    before = Node()
    ran(before, cgroup_stays=True)
    after = killed(before, 1041.0)
    after.appears(7, 1051.0)
    after.prolog(7, 1051.5)
    after.tick(1060.0)
    assert len(after.summaries()) == 1
    (fresh,) = after.registry.sightings()
    assert fresh.cgroups == {"job_7"}
    assert fresh.key != after.summaries()[0].sighting


def test_a_run_that_only_the_cgroup_tree_tells_of_after_the_owed_one_is_a_run() -> None:
    before = Node()
    ran(before, cgroup_stays=False)
    after = killed(before, 1041.0)
    after.appears(7, 1051.0, "job_7#2")
    after.tick(1060.0)
    (start,) = after.events(JobStart)
    assert start.witness is Witness.CGROUP


def test_what_an_earlier_boots_hooks_left_is_owed_too() -> None:
    before = Node()
    before.prolog(7, 10.0, boot=EARLIER_BOOT)
    before.epilog(7, 20.0, boot=EARLIER_BOOT)
    after = killed(before, 1041.0)
    after.tick(1060.0)
    assert after.summaries() == before.summaries()
    assert after.summaries()[0].boot_id == EARLIER_BOOT


def test_no_more_is_owed_than_the_file_is_to_hold() -> None:
    node = Node()
    for job_id in range(1, OWED_SUMMARIES + 3):
        ran(node, cgroup_stays=False, job_id=job_id)
    left = node.registry.remembered(moment(1041.0), {})
    assert [one.summary.job.job_id for one in left.ended] == list(range(3, OWED_SUMMARIES + 3))


def _with(summary: JobSummary, totals: Totals, profile: Profile | None) -> JobSummary:
    return msgspec.structs.replace(summary, totals=totals, profile=profile)
