"""The one sentence: outcome, cause, where, after how long, and by whom that is known."""

from __future__ import annotations

import msgspec
import pytest

from slurmlens.hub.history.facts import HeldReason, HeldSighting, JobFacts, NodeState, Outcome, OutcomeSource, RunFacts
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.view import Phase
from slurmlens.hub.views.states import PENDING_REASONS, pending_words, phase_of
from slurmlens.slurm.records import JobState
from testkit import job_gallery as gallery
from testkit.job_parts import START_NS, S, make_facts, make_node, make_record


def sentence(facts: JobFacts) -> str:
    return build_job_view(facts).headline


def ended(state: JobState, label: str, **changes: object) -> JobFacts:
    nodes = (make_node("c1", 31), make_node("c2", 31))
    return make_facts(state, label, 31, record=make_record(state, 31, **changes), nodes=nodes)


def test_exit_42_names_the_script_the_code_and_the_node_that_went_idle() -> None:
    assert sentence(gallery.failed_on_faulty_node()) == (
        "Batch script exited with 42 after 31 s. Step 0 exited with 42 first. "
        "c2 stopped computing 19 s before the end. 2 other jobs failed on c2 today."
    )


def test_out_of_memory_says_who_says_so() -> None:
    seen = gallery.out_of_memory()
    assert "on c1" in sentence(seen)
    assert "the scheduler and the oom counters say so" in sentence(seen)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"oom_kills": 0}, "the scheduler says so; the oom counters saw none"),
        ({"oom_kills": None}, "what the oom counters said at its end was not seen"),
        ({"oom_kills": None, "samples": 0}, "the scheduler says so; no oom counter was read"),
    ],
)
def test_a_kill_that_no_counter_told_says_what_the_counters_know(changes: dict[str, int | None], words: str) -> None:
    facts = gallery.out_of_memory()
    nodes = tuple(
        msgspec.structs.replace(node, totals=msgspec.structs.replace(node.totals, **changes)) for node in facts.nodes
    )
    outcome = msgspec.structs.replace(facts.outcome, oom_kills=changes["oom_kills"])
    assert words in sentence(msgspec.structs.replace(facts, nodes=nodes, outcome=outcome))


def test_a_peak_whose_end_nobody_saw_is_not_called_the_peak() -> None:
    facts = gallery.out_of_memory()
    nodes = tuple(
        msgspec.structs.replace(
            node,
            totals=msgspec.structs.replace(
                node.totals,
                memory_peak_bytes=msgspec.structs.replace(node.totals.memory_peak_bytes, value=4096, complete=False),
            ),
        )
        for node in facts.nodes
    )
    told = sentence(msgspec.structs.replace(facts, nodes=nodes))
    assert "when it was last read" in told
    assert "at its peak" not in told


def test_a_kill_for_memory_that_the_scheduler_does_not_tell_is_told_by_the_counters() -> None:
    facts = gallery.out_of_memory()
    assert facts.record is not None
    outcome = Outcome(
        state=JobState.FAILED, label="FAILED 137:0", source=OutcomeSource.SCHEDULER, exit_code=137, oom_kills=1
    )
    failed = msgspec.structs.replace(facts, outcome=outcome)
    assert "1 process was killed for memory on c1 (oom counters; the scheduler does not say so)" in sentence(failed)


@pytest.mark.parametrize(
    ("code", "words"),
    [(127, "command not found"), (139, "SIGSEGV"), (137, "SIGKILL"), (126, "not executable")],
)
def test_a_telling_exit_code_is_explained(code: int, words: str) -> None:
    assert words in sentence(ended(JobState.FAILED, f"FAILED {code}:0", exit_code=code))


@pytest.mark.parametrize(("mark", "words"), [(53, "could not make its output"), (125, "killed for memory")])
def test_slurms_own_marks_are_told_in_words_and_not_as_signals_that_somebody_sent(mark: int, words: str) -> None:
    told = sentence(ended(JobState.FAILED, f"FAILED 0:{mark}", exit_code=0, exit_signal=mark))
    assert words in told
    assert f"(exit code 0:{mark})" in told
    assert "was ended by" not in told


def test_a_signal_is_named_and_explained() -> None:
    assert "ended by SIGSEGV: it touched memory that is not its own" in sentence(
        ended(JobState.FAILED, "FAILED 0:11", exit_signal=11)
    )
    assert "signal 200" in sentence(ended(JobState.FAILED, "FAILED 0:200", exit_signal=200))


def test_a_job_ended_by_a_signal_still_names_the_step_that_went_wrong_first() -> None:
    facts = gallery.failed_on_faulty_node()
    assert facts.record is not None
    record = msgspec.structs.replace(facts.record, derived_exit_code=42, derived_exit_signal=0)
    outcome = Outcome(
        state=JobState.FAILED, label="FAILED 0:15", source=OutcomeSource.SCHEDULER, exit_code=0, exit_signal=15
    )
    view = build_job_view(msgspec.structs.replace(facts, record=record, outcome=outcome))
    assert "SIGTERM" in view.headline
    assert "Step 0 exited with 42 first." in view.headline
    assert view.derived_exit_text == "42:0"


def test_the_scheduler_is_not_said_to_be_silent_before_it_told_the_end() -> None:
    facts = gallery.out_of_memory()
    outcome = Outcome(state=JobState.FAILED, label="FAILED", source=OutcomeSource.HOOK, exit_code=137, oom_kills=1)
    told = sentence(msgspec.structs.replace(facts, outcome=outcome))
    assert "the scheduler has not reported the end yet" in told
    assert "does not say so" not in told


def test_a_running_job_whose_node_booted_is_not_said_to_run() -> None:
    node = msgspec.structs.replace(
        make_node("c1", 31), state=NodeState.RECONCILED, reconciled_reason="node-booted", end_ns=START_NS + 31 * S
    )
    facts = make_facts(
        JobState.RUNNING, "RUNNING", 60, record=make_record(JobState.RUNNING, 60, nodes=("c1",)), nodes=(node,)
    )
    told = sentence(msgspec.structs.replace(facts, end_ns=None, as_of_ns=START_NS + 60 * S))
    assert told.startswith("c1 booted anew while the job ran there, later than 2026-11-23T10:14:36Z")


def test_the_schedulers_node_list_is_shown_where_the_hooks_was_cut_short() -> None:
    facts = gallery.failed_on_faulty_node()
    assert facts.identity is not None
    cut = msgspec.structs.replace(facts.identity, node_list="c[1")
    assert build_job_view(msgspec.structs.replace(facts, identity=cut)).allocation.node_list == "c[1-2]"


def test_the_most_processes_at_once_are_part_of_what_is_shown() -> None:
    facts = gallery.failed_on_faulty_node()
    nodes = tuple(
        msgspec.structs.replace(node, totals=msgspec.structs.replace(node.totals, pids_peak=17))
        if node.totals
        else node
        for node in facts.nodes
    )
    assert {node.pids_peak for node in build_job_view(msgspec.structs.replace(facts, nodes=nodes)).nodes} == {17}


def test_each_outcome_has_its_own_words() -> None:
    assert sentence(ended(JobState.PREEMPTED, "PREEMPTED")).startswith("Preempted after 31 s to make room")
    assert sentence(ended(JobState.TIMEOUT, "TIMEOUT")).startswith("Reached its time limit of 10 min on c[1-2]")
    assert sentence(ended(JobState.DEADLINE, "DEADLINE")).startswith("Reached its deadline")
    assert sentence(ended(JobState.BOOT_FAIL, "BOOT_FAIL")).startswith("Its nodes did not boot")
    assert sentence(ended(JobState.UNKNOWN, "UNKNOWN")).startswith("Ended after 31 s; the scheduler has not said how")


def test_a_failed_node_is_named_where_it_fell_silent() -> None:
    nodes = (make_node("c1", 31), make_node("c2", 31, end_ns=None, state=NodeState.SILENT))
    facts = make_facts(JobState.NODE_FAIL, "NODE_FAIL", 31, nodes=nodes)
    assert sentence(facts).startswith("Node c2 failed after 31 s")


def test_cancelled_says_by_whom_and_whether_it_ever_started() -> None:
    assert sentence(gallery.cancelled_while_pending()) == (
        "Cancelled by alice after 3 min 03 s in the queue; it never started."
    )
    facts = ended(JobState.CANCELLED, "CANCELLED by root")
    facts = msgspec.structs.replace(facts, outcome=msgspec.structs.replace(facts.outcome, cancelled_by="root"))
    assert sentence(facts).startswith("Cancelled by root after 31 s.")


def test_a_requeued_run_points_to_the_next() -> None:
    assert sentence(gallery.requeued_first_run()) == "Requeued after 31 s; run 2: completed."
    alone = msgspec.structs.replace(
        gallery.requeued_first_run(), runs=(RunFacts(number=1, state=JobState.REQUEUED, label="REQUEUED"),)
    )
    assert "its next run has not started" in sentence(alone)


def test_a_waiting_job_says_why_in_words_with_slurms_name_for_it() -> None:
    assert (
        sentence(gallery.pending()) == "Waits for 4 min 03 s: not enough of what it asks for is free yet (Resources)."
    )
    facts = gallery.pending()
    assert facts.record is not None
    silent = msgspec.structs.replace(facts, record=msgspec.structs.replace(facts.record, reason="None"))
    assert "has given no reason yet" in sentence(silent)


def test_a_job_that_began_since_the_schedulers_last_answer_is_not_said_to_wait() -> None:
    held = HeldSighting(
        node="c1", sighting="b-1", start_ns=START_NS, end_ns=None, reason=HeldReason.NOT_STARTED, since_ns=START_NS
    )
    facts = msgspec.structs.replace(gallery.pending(), held=(held,))
    assert sentence(facts).startswith("Has just begun on c1;")
    assert any("It has begun on c1" in note for note in build_job_view(facts).provenance.notes)
    elsewhere = msgspec.structs.replace(held, reason=HeldReason.NO_OVERLAP)
    odd = build_job_view(msgspec.structs.replace(facts, held=(elsewhere,)))
    assert odd.headline.startswith("Waits")
    assert any("1 sighting of this job held back" in note for note in odd.provenance.notes)


def test_unknown_reasons_are_shown_as_slurm_writes_them() -> None:
    assert pending_words("FrontEndDown") == "FrontEndDown"
    assert pending_words("FrontEndDown", "no front end") == "no front end (FrontEndDown)"
    assert pending_words("QOSMaxJobsPerUserLimit") == "its QOS allows no more at once (QOSMaxJobsPerUserLimit)"
    assert pending_words(None) is None
    assert all(words[0].islower() and not words.endswith(".") for words in PENDING_REASONS.values())


def test_a_running_job_says_how_it_goes() -> None:
    assert (
        sentence(gallery.running()) == "Running for 47 s of 10 min on c[1-2]: 93 % of 4 cores and 15 % of its memory."
    )
    early = msgspec.structs.replace(gallery.running(), nodes=())
    assert sentence(early).endswith("no figures yet.")


def test_an_unknown_state_is_judged_by_its_times() -> None:
    assert phase_of(JobState.UNKNOWN, started=False, ended=False) is Phase.PENDING
    assert phase_of(JobState.UNKNOWN, started=True, ended=False) is Phase.RUNNING
    assert phase_of(JobState.UNKNOWN, started=True, ended=True) is Phase.ENDED
    assert phase_of(JobState.SUSPENDED, started=True, ended=False) is Phase.RUNNING


def test_a_neighbours_failure_is_mentioned_for_failures_only() -> None:
    node = make_node("c1", 31, other_failed_jobs_today=(7,))
    done = make_facts(JobState.COMPLETED, "COMPLETED", 31, nodes=(node,))
    assert "failed on" not in sentence(done)
    failed = make_facts(
        JobState.FAILED, "FAILED 1:0", 31, record=make_record(JobState.FAILED, 31, exit_code=1), nodes=(node,)
    )
    assert sentence(failed).endswith("1 other job failed on c1 today.")


def test_a_sentence_never_holds_what_could_act() -> None:
    facts = gallery.cancelled_while_pending()
    hostile = msgspec.structs.replace(
        facts, outcome=msgspec.structs.replace(facts.outcome, cancelled_by="mal\x1b[2Jlory\n")
    )
    assert sentence(hostile).isprintable()


def test_a_clock_that_went_back_makes_no_negative_durations() -> None:
    facts = msgspec.structs.replace(gallery.completed(), end_ns=START_NS - 5 * S)
    view = build_job_view(facts)
    assert view.times.ran.used == 0
    assert view.cpu.ratio is None
