"""Log lines on a job's time line: what befell it, once for all nodes that logged it, and nothing of the noise."""

from __future__ import annotations

from slurmlens.hub.logs.query import JobOwner, LogPlace, StoredLine
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.log_marks import LOUD, MARKED, MOST_MARKS, log_marks
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.log_lines import LogLine
from slurmlens.slurm import kernel_lines, log_kinds
from testkit.job_gallery import GALLERY
from testkit.job_parts import START_NS, S


def line(seconds: float, kind: str | None, node: str = "n1", message: str = "x", **fields: object) -> StoredLine:
    time_ns = START_NS + round(seconds * S)
    made = LogLine(id=f"{node}{seconds}{kind}", time_ns=time_ns, node=node, message=message, kind=kind, **fields)  # type: ignore[arg-type]
    return StoredLine(made, JobOwner(), LogPlace(time_ns, 1))


def test_lines_of_one_kind_on_several_nodes_are_one_moment() -> None:
    lines = [line(5, "oom_kill", "n2"), line(4.5, "oom_kill", "n1"), line(9, "oom_kill", "n1")]
    marks = list(log_marks(lines))
    assert [(mark.time_ns, mark.where, mark.loud) for mark in marks] == [
        (START_NS + round(4.5 * S), "n[1-2]", True),
        (START_NS + 9 * S, "n1", True),
    ]


def test_what_says_that_all_went_well_or_nothing_is_no_moment() -> None:
    good = line(1, "job_exited", fields={"exit_code": 0})
    bad = line(2, "job_exited", fields={"exit_code": 42})
    marks = log_marks([good, bad, line(3, None), line(4, "batch_launched")])
    assert [mark.time_ns for mark in marks] == [START_NS + 2 * S]


def test_a_moment_reads_without_the_lines_envelope_and_who_logs_much_is_bounded() -> None:
    told = "[2026-11-30T04:00:00.000] [12.0] error: it broke"
    (mark,) = log_marks([line(2, "trap", message=told)])
    assert mark.text == "it broke"
    many = [line(10 * n, "trap") for n in range(100)]
    assert len(list(log_marks(many))) == MOST_MARKS


def test_the_moments_stand_on_the_jobs_time_line() -> None:
    facts = GALLERY["completed"]()
    lines = [line(3, "hung_task", message="INFO: task a:5 blocked for more than 122 s.")]
    view = build_job_view(facts, RunSurroundings(lines=lines))
    assert "log" in {mark.kind for mark in view.marks}


def test_every_kind_that_is_marked_is_a_row_of_a_table() -> None:
    known = {kind.name for kind in (*log_kinds.KINDS, *kernel_lines.KINDS)}
    assert known >= MARKED
    assert LOUD <= MARKED
