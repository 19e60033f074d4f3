"""The registry's rules, one by one: which Prolog, cgroup and Epilog belong together, and what is said when one is
missing."""

from __future__ import annotations

from slurmlens.events import JobEnd, JobStart, NodeHeartbeat, Profile, Witness
from slurmlens.node import registry as reg
from testkit.registry_node import BOOT, EARLIER_BOOT, Node, moment


def test_an_ordinary_job_is_told_by_its_hooks_and_measured_by_its_cgroup() -> None:
    node = Node()
    prolog = node.prolog(7, 1010.0, user_name="alice")
    node.appears(7, 1010.1)
    node.vanishes(7, 1040.0)
    epilog = node.epilog(7, 1040.1, exit_code=42, exit_signal=0)

    (start,), (end,), (summary,) = node.events(JobStart), node.events(JobEnd), node.summaries()
    assert (start.id, start.witness, start.slot) == (prolog.id, Witness.HOOK, 0)
    assert (end.id, end.witness) == (epilog.id, Witness.HOOK)
    assert start.sighting == end.sighting == summary.sighting
    assert (summary.start_ns, summary.end_ns) == (prolog.time_ns, epilog.time_ns)
    assert (summary.job.user_name, summary.job.exit_code, summary.job.user_id) == ("alice", 42, 2000)
    assert summary.unseen_s == 0.0
    assert [type(one) for one in node.said] == [reg.Emit, reg.Watch, reg.Unwatch, reg.Emit, reg.Summarise]


def test_without_any_hook_the_cgroup_tree_tells_start_and_end() -> None:
    node = Node()
    node.appears(7, 1010.0)
    assert node.events(JobStart) == []  # its Prolog may still come
    node.tick(1012.0)
    node.vanishes(7, 1040.0)
    node.tick(1045.0)

    (start,), (end,), (summary,) = node.events(JobStart), node.events(JobEnd), node.summaries()
    assert start.witness is end.witness is Witness.CGROUP
    assert start.time_ns == moment(1010.0).wall_ns
    assert end.time_ns == summary.end_ns == moment(1040.0).wall_ns
    assert start.sighting == end.sighting == summary.sighting


def test_sampling_begins_with_the_cgroup_and_does_not_wait_for_the_prolog() -> None:
    node = Node()
    (watch,) = node.appears(7, 1010.0)
    assert isinstance(watch, reg.Watch)
    assert (watch.job_id, watch.slot, watch.from_zero) == (7, 0, True)


def test_a_prolog_read_after_its_cgroup_names_the_same_sighting() -> None:
    node = Node()
    node.appears(7, 1010.1)
    prolog = node.prolog(7, 1010.0, read_s=1010.2)
    node.tick(1020.0)

    (start,) = node.events(JobStart)
    assert (start.id, start.witness) == (prolog.id, Witness.HOOK)
    assert len(node.watches()) == 1


def test_a_prolog_read_after_the_start_was_told_is_told_too_and_corrects_it() -> None:
    node = Node()
    node.appears(7, 1010.1)
    node.tick(1013.0)
    prolog = node.prolog(7, 1010.0, read_s=1014.0)
    node.vanishes(7, 1020.0)
    node.epilog(7, 1020.1)

    by_cgroup, by_hook = node.events(JobStart)
    assert by_cgroup.sighting == by_hook.sighting
    assert by_hook.id == prolog.id
    (summary,) = node.summaries()
    assert (summary.start_ns, summary.start_witness) == (prolog.time_ns, Witness.HOOK)


def test_a_prolog_read_after_the_job_was_over_still_reaches_the_hub() -> None:
    node = Node()
    node.appears(7, 1010.1)
    node.vanishes(7, 1010.5)
    node.tick(1016.0)
    prolog = node.prolog(7, 1010.0, read_s=1017.0)
    assert [start.id for start in node.events(JobStart)][1] == prolog.id
    assert len({start.sighting for start in node.events(JobStart)}) == 1
    assert len(node.summaries()) == 1


def test_a_missing_epilog_is_made_good_when_its_cgroup_has_been_gone_for_long_enough() -> None:
    node = Node(epilog_grace_s=60.0)
    node.prolog(7, 1010.0)
    node.appears(7, 1010.1)
    node.vanishes(7, 1040.0)
    node.tick(1099.0)
    assert node.events(JobEnd) == []
    node.tick(1100.0)
    (end,) = node.events(JobEnd)
    assert (end.witness, end.time_ns) == (Witness.CGROUP, moment(1040.0).wall_ns)


def test_an_epilog_that_comes_after_all_is_told_for_the_same_sighting_without_a_second_summary() -> None:
    node = Node(epilog_grace_s=60.0)
    node.prolog(7, 1010.0)
    node.appears(7, 1010.1)
    node.vanishes(7, 1040.0)
    node.tick(1100.0)
    epilog = node.epilog(7, 1110.0)
    by_cgroup, by_hook = node.events(JobEnd)
    assert (by_hook.id, by_hook.sighting) == (epilog.id, by_cgroup.sighting)
    assert len(node.summaries()) == 1


def test_an_epilog_of_a_job_nobody_saw_is_told_alone() -> None:
    node = Node()
    epilog = node.epilog(7, 1010.0)
    (end,) = node.events(JobEnd)
    assert end.id == epilog.id
    assert node.summaries() == []
    assert node.registry.sightings() == []


def test_an_epilog_from_before_the_cgroup_does_not_end_the_run_that_came_after_it() -> None:
    node = Node()
    node.appears(7, 1010.0)
    node.epilog(7, 1009.0, read_s=1010.5)
    assert [one.job.job_id for one in node.registry.sightings()] == [7]
    assert len(node.events(JobEnd)) == 1


def test_a_hook_event_that_is_read_again_says_nothing_new() -> None:
    node = Node()
    prolog = node.prolog(7, 1010.0)
    (answer,) = node.registry.handle(reg.HookSeen(moment(1020.0), prolog))
    assert answer == reg.KnownHook(prolog.id)


def test_a_restarted_daemon_that_reads_the_hooks_again_says_the_same_words() -> None:
    def told() -> list[tuple[str, str]]:
        node = Node()
        node.prolog(7, 990.0)
        node.epilog(7, 995.0)
        events = [one.event for one in node.said if isinstance(one, reg.Emit)]
        return [(event.id, event.sighting) for event in (*events, *node.summaries())]

    assert told() == told()


def test_a_requeued_job_is_two_sightings_whatever_its_epilog_says_of_the_restart() -> None:
    node = Node()
    node.prolog(8, 1010.0, restart_count=0)
    node.appears(8, 1010.1, "job_8#1")
    node.vanishes(8, 1020.0, "job_8#1")
    node.epilog(8, 1020.1, restart_count=1)
    node.prolog(8, 1140.0, restart_count=1)
    node.appears(8, 1140.1, "job_8#2")
    node.vanishes(8, 1150.0, "job_8#2")
    node.epilog(8, 1150.1, restart_count=1)
    first, second = node.summaries()
    assert first.sighting != second.sighting
    assert (first.end_ns, second.start_ns) == (moment(1020.1).wall_ns, moment(1140.0).wall_ns)


def test_a_second_prolog_ends_the_run_whose_epilog_was_lost() -> None:
    node = Node()
    node.prolog(8, 1010.0)
    node.appears(8, 1010.1, "job_8#1")
    node.vanishes(8, 1020.0, "job_8#1")
    second = node.prolog(8, 1050.0)
    (end,), (summary,) = node.events(JobEnd), node.summaries()
    assert (end.witness, summary.end_ns) == (Witness.CGROUP, moment(1020.0).wall_ns)
    assert node.events(JobStart)[1].id == second.id


def test_the_notice_of_a_removed_cgroup_may_come_after_the_epilog() -> None:
    node = Node()
    node.prolog(7, 1010.0)
    node.appears(7, 1010.1)
    node.epilog(7, 1040.0)
    assert node.summaries() == []  # what it used is settled when its cgroup has gone
    node.vanishes(7, 1040.05)
    assert len(node.summaries()) == 1


def test_a_cgroup_that_outlives_its_epilog_is_summed_up_all_the_same() -> None:
    node = Node(linger_s=2.0)
    node.prolog(7, 1010.0)
    node.appears(7, 1010.1)
    node.epilog(7, 1040.0)
    node.tick(1042.0)
    assert len(node.summaries()) == 1
    assert node.vanishes(7, 1050.0) == []


def test_a_run_in_the_cgroup_of_an_earlier_one_counts_from_its_own_beginning() -> None:
    node = Node(linger_s=2.0)
    node.prolog(7, 1010.0)
    node.appears(7, 1010.1)
    node.epilog(7, 1040.0)
    node.tick(1042.0)
    node.prolog(7, 1100.0)
    assert [watch.from_zero for watch in node.watches()] == [True, False]


def test_a_job_without_a_cgroup_for_a_while_is_one_sighting_as_long_as_hooks_are_heard() -> None:
    node = Node(epilog_grace_s=60.0)
    node.prolog(7, 1010.0)
    node.appears(7, 1011.0, "job_7#1")
    node.vanishes(7, 1020.0, "job_7#1")
    node.tick(1060.0)
    node.appears(7, 1070.0, "job_7#2")
    node.vanishes(7, 1080.0, "job_7#2")
    node.epilog(7, 1081.0)
    assert {watch.number for watch in node.watches()} == {1}
    assert len(node.summaries()) == 1


def test_a_job_that_began_before_the_daemon_says_how_long_nobody_watched() -> None:
    node = Node()
    node.prolog(7, 940.0, read_s=1000.1)
    node.appears(7, 1000.2)
    node.vanishes(7, 1040.0)
    node.epilog(7, 1040.0)
    (summary,) = node.summaries()
    assert summary.unseen_s == 60.0


def test_hooks_left_from_before_a_reboot_are_told_and_closed() -> None:
    node = Node(epilog_grace_s=60.0)
    node.prolog(7, 500.0, read_s=1000.1, boot=EARLIER_BOOT)
    node.appears(7, 1000.2)  # another run of the same number in this boot
    node.tick(1061.0)
    (end,) = node.events(JobEnd)
    assert (end.boot_id, end.job.job_id) == (EARLIER_BOOT, 7)
    assert [one.place.boot_id for one in node.registry.sightings()] == [BOOT]


def test_a_job_that_never_had_a_cgroup_and_gets_no_epilog_is_given_up_after_days() -> None:
    node = Node(phantom_s=7 * 86_400.0)
    node.prolog(7, 1010.0)
    node.tick(1010.0 + 6 * 86_400)
    assert len(node.registry.sightings()) == 1
    node.tick(1010.0 + 7 * 86_400)
    assert node.registry.sightings() == []
    assert len(node.summaries()) == 1


def test_jobs_beyond_the_slots_are_among_the_rest_and_a_slot_rests_before_it_is_used_again() -> None:
    node = Node(slots=2, slot_rest_s=10.0)
    for job_id in (1, 2, 3):
        node.prolog(job_id, 1010.0)
    node.epilog(1, 1020.0)
    node.prolog(4, 1029.0)
    node.prolog(5, 1030.0)
    assert [start.slot for start in node.events(JobStart)] == [0, 1, None, None, 0]


def test_slots_are_taken_in_turn() -> None:
    node = Node(slots=3, slot_rest_s=10.0)
    for turn in range(4):
        node.prolog(turn, 1010.0 + 20 * turn)
        node.epilog(turn, 1015.0 + 20 * turn)
    assert [start.slot for start in node.events(JobStart)] == [0, 1, 2, 0]


def test_steps_are_sampled_for_the_job_they_are_in_and_strangers_are_left_alone() -> None:
    node = Node()
    node.appears(7, 1010.0)
    (watch,) = node.handle(reg.StepAppeared(moment(1010.1), "job_7", "job_7/batch", "batch"))
    (gone,) = node.handle(reg.StepVanished(moment(1011.0), "job_7", "job_7/batch"))
    assert (watch, gone) == (
        reg.WatchStep(1, "job_7", "job_7/batch", "batch"),
        reg.UnwatchStep(1, "job_7", "job_7/batch"),
    )
    assert node.handle(reg.StepAppeared(moment(1012.0), "job_9", "job_9/batch", "batch")) == []


def test_the_heartbeat_names_what_runs_and_comes_at_its_interval() -> None:
    node = Node(heartbeat_interval_s=60.0)
    node.tick(1000.0)
    node.prolog(7, 1010.0)
    node.tick(1059.0)
    node.tick(1060.0)
    first, second = node.events(NodeHeartbeat)
    assert first.running == ()
    assert [job_id for job_id, _ in second.running] == [7]


def test_the_deadline_is_when_the_next_tick_has_something_to_do() -> None:
    node = Node(settle_s=2.0, heartbeat_interval_s=60.0, stage0_grace_s=5.0)
    node.tick(1000.0)
    assert node.registry.deadline_ns() == moment(1060.0).boottime_ns
    node.appears(7, 1010.0)
    assert node.registry.deadline_ns() == moment(1012.0).boottime_ns
    node.tick(1012.0)
    node.vanishes(7, 1020.0)
    assert node.registry.deadline_ns() == moment(1025.0).boottime_ns


def test_a_profile_is_sent_only_for_a_sighting_whose_start_was_told() -> None:
    node = Node()
    profile = Profile(start_ns=0, width_s=1.0, columns={})
    node.appears(7, 1010.0)
    assert node.registry.profile_event(1, profile, moment(1010.5)) is None
    node.tick(1012.0)
    event = node.registry.profile_event(1, profile, moment(1013.0))
    assert event is not None
    assert event.sighting == node.events(JobStart)[0].sighting
    assert node.registry.profile_event(99, profile, moment(1013.0)) is None


def test_the_story_of_a_sighting_is_kept_for_debugging_and_bounded() -> None:
    node = Node()
    node.prolog(7, 1010.0)
    for turn in range(100):
        node.appears(7, 1011.0 + turn, f"job_7#{turn}")
        node.vanishes(7, 1011.5 + turn, f"job_7#{turn}")
    (sighting,) = node.registry.sightings()
    assert len(sighting.story) == 32
