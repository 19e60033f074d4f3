"""Why a run died: the labelled set, with its confusion matrix, and what the page says where nothing is known."""

from __future__ import annotations

import datetime
import sys
from collections import Counter

import msgspec

from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.logs.query import StoredLine
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.cause_rules import CauseKind
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.hub.views.job.terminal import render_job
from slurmlens.hub.views.job.view import CauseView
from slurmlens.shown.terminal import Sheet
from slurmlens.slurm.records import JobState, StepRecord
from testkit.died_jobs import DiedJob, all_cases, died, line, working
from testkit.job_gallery import completed, running

CASES = list(all_cases())
LEAST_RIGHT = 0.9


def cause_of(case: DiedJob) -> CauseView:
    cause = build_job_view(case.facts, RunSurroundings(lines=case.lines, findings=case.findings)).cause
    assert cause is not None
    return cause


def test_the_set_has_five_variants_of_each_cause() -> None:
    assert Counter(case.cause for case in CASES) == dict.fromkeys(CauseKind, 5)


def test_nine_of_ten_causes_are_right_and_none_is_made_up() -> None:
    """The matrix is on stdout (`pytest -s`). Cases and rules have the same authors: it shows that the rules do not
    contradict each other, not how often they are right on a cluster."""
    found = [(case, CauseKind(cause_of(case).kind)) for case in CASES]
    sys.stdout.write("\n" + matrix([(case.cause, kind) for case, kind in found]) + "\n")
    wrong = [f"{case.cause}, {case.variant}: {kind}" for case, kind in found if kind is not case.cause]
    assert len(wrong) <= (1 - LEAST_RIGHT) * len(CASES), wrong
    made_up = [case.variant for case, kind in found if case.cause is CauseKind.NOT_KNOWN and kind is not case.cause]
    assert made_up == []


def matrix(pairs: list[tuple[CauseKind, CauseKind]]) -> str:
    """Rows are what it was, columns what was said, in the same order."""
    kinds, counts = list(CauseKind), Counter(pairs)
    rows = [f"{was.value:<12} " + " ".join(f"{counts[was, said] or '.':>2}" for said in kinds) for was in kinds]
    right = sum(was is said for was, said in pairs)
    return "\n".join([*rows, f"{right} of {len(pairs)} right"])


def test_a_cause_has_its_evidence_and_says_how_sure_it_is() -> None:
    sure = cause_of(CASES[0])
    assert (sure.kind, sure.level) == ("job-memory", "sure")
    assert any("counted" in words for words in sure.evidence)
    possible = cause_of(next(case for case in CASES if case.cause is CauseKind.PROGRAM))
    assert (possible.level, possible.evidence) == ("possible", ("it exited with 1, and nothing else was told",))


def kind_of(facts: JobFacts, *lines: StoredLine) -> str | None:
    cause = build_job_view(facts, RunSurroundings(lines=lines)).cause
    return cause and cause.kind


def test_a_step_that_ended_otherwise_says_what_the_script_passed_over() -> None:
    def with_step(**step: object) -> JobFacts:
        return died("FAILED", 31, 1, record={"steps": (StepRecord(step="0", **step),)})

    assert kind_of(with_step(state=JobState.OUT_OF_MEMORY, exit_signal=125)) == "job-memory"
    assert kind_of(with_step(state=JobState.TIMEOUT, exit_signal=15)) == "time-limit"
    assert kind_of(with_step(state=JobState.CANCELLED, exit_signal=11)) == "crash"
    assert kind_of(with_step(state=JobState.CANCELLED, exit_signal=9, cancelled_by="3003")) == "cancelled"
    assert kind_of(with_step(state=JobState.FAILED, exit_code=1)) == "program"


def test_a_job_whose_prolog_failed_was_not_cancelled_by_somebody() -> None:
    prolog = line("error: [job 4711] prolog failed status=1:0", at_s=0.5, program="slurmd")
    asked = line("_slurm_rpc_kill_job: REQUEST_KILL_JOB JobId=4711 uid 0", at_s=0.6, program="slurmctld")
    by_root = {"outcome_changes": {"cancelled_by": "root"}}
    assert kind_of(died("CANCELLED", 1, **by_root), prolog, asked) == "launch"
    assert kind_of(died("CANCELLED", 1, **by_root), asked) == "cancelled"


def test_a_requeued_run_has_a_cause_where_something_made_it_begin_anew() -> None:
    failure = line("requeue job JobId=4711 due to failure of node c2", program="slurmctld")
    assert kind_of(died("REQUEUED", 31), failure) == "node-lost"
    assert kind_of(died("REQUEUED", 31)) is None


def test_what_the_job_wrote_itself_and_what_slurmstepd_could_not_run_are_heard() -> None:
    full = line("OSError: [Errno 28] No space left on device", program="slurm_4711")
    assert kind_of(died("FAILED", 31, 1), full) == "file-system"
    absent = line("[4711.0] error: execve(): no_such_program: No such file or directory", program="slurmd")
    assert kind_of(died("FAILED", 31, 2), absent) == "not-found"


def test_failures_of_other_jobs_on_a_node_alone_do_not_make_it_faulty() -> None:
    facts = died("FAILED", 31, 1)
    nodes = tuple(msgspec.structs.replace(node, other_failed_jobs_today=(1, 2, 3)) for node in facts.nodes)
    assert kind_of(msgspec.structs.replace(facts, nodes=nodes)) == "program"


def test_slurmds_word_of_a_time_limit_weighs_little_where_one_node_had_stopped_long_before() -> None:
    told = line("*** JOB 4711 ON c1 CANCELLED AT 2026-11-30T18:56:32 DUE TO TIME LIMIT ***", at_s=601, program="slurmd")
    limit = line("Time limit exhausted for JobId=4711", at_s=601, program="slurmctld")
    assert kind_of(died("TIMEOUT", 600, nodes=working(600, 100, both=False)), told, limit) == "stood-still"


def test_where_it_is_not_known_the_report_says_so_and_shows_what_there_is() -> None:
    view = build_job_view(died("FAILED", 31, 0, 9))
    assert view.cause is not None
    assert (view.cause.level, view.cause.kind) == (None, "not-known")
    assert "Cause: not known" in render_job(view, Sheet(zone=datetime.UTC))


def test_what_runs_or_went_well_has_no_cause() -> None:
    assert build_job_view(completed()).cause is None
    assert build_job_view(running(240)).cause is None
