"""Why a run died: the labelled set, with its confusion matrix, and what the page says where nothing is known."""

from __future__ import annotations

import datetime
import sys
from collections import Counter

from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.cause_rules import CauseKind
from slurmlens.hub.views.job.terminal import render_job
from slurmlens.hub.views.job.view import CauseView
from slurmlens.shown.terminal import Sheet
from testkit.died_jobs import DiedJob, all_cases, died
from testkit.job_gallery import completed, running

CASES = list(all_cases())
LEAST_RIGHT = 0.9


def cause_of(case: DiedJob) -> CauseView:
    cause = build_job_view(case.facts, None, case.lines, case.findings).cause
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


def test_where_it_is_not_known_the_report_says_so_and_shows_what_there_is() -> None:
    view = build_job_view(died("FAILED", 31, 0, 9))
    assert view.cause is not None
    assert (view.cause.level, view.cause.kind) == (None, "not-known")
    assert "Cause: not known" in render_job(view, Sheet(zone=datetime.UTC))


def test_what_runs_or_went_well_has_no_cause() -> None:
    assert build_job_view(completed()).cause is None
    assert build_job_view(running(240)).cause is None
