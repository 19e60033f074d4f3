"""The steps of an assessment: the same bytes for the same input, what is unknown is left out, signs are shown."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.assess.documents import JobEvents, JobInventory, JobMetrics, JoinedJob, Share, TimedLine
from slurmlens.assess.exporting import export_events, export_metrics
from slurmlens.assess.joining import join
from slurmlens.assess.known_problems import match
from slurmlens.assess.reporting import render_report
from slurmlens.assess.scoring import score
from slurmlens.cli.commands.assess import log_address
from slurmlens.cli.main import main
from slurmlens.errors import DecodeError
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.web.pages.logs import query_of
from slurmlens.wire.assessment import Assessment, Ticket, read_document, write_document
from testkit.checkout import ROOT
from testkit.job_gallery import GALLERY

NOW_NS = 1_764_000_000 * 10**9


def view_of(name: str) -> bytes:
    return msgspec.json.encode(build_job_view(GALLERY[name]()))


def joined(name: str, *lines: str) -> JoinedJob:
    metrics = export_metrics(view_of(name))
    told = metrics.identity
    ticket = Ticket(key="k", rule="r", cluster="c", job_id=told.job_id, run=told.run, from_s=0, to_s=2**40)
    marks = export_events(ticket, view_of(name), None)
    said = tuple(TimedLine(NOW_NS + number, text) for number, text in enumerate(lines))
    return join(ticket, metrics, JobEvents(marks.lines + said), JobInventory())


@pytest.mark.parametrize("name", GALLERY)
def test_every_run_can_be_assessed_whatever_is_unknown_of_it(name: str) -> None:
    job = joined(name)
    scores = score(job)
    assert all(0 <= one.value <= 1 for one in scores.scores)
    page = render_report(job, scores, match(job))
    assert "<script" not in page
    assert read_document(write_document(job), JoinedJob) == job


def test_what_is_unknown_is_neither_good_nor_bad() -> None:
    job = joined("without_samples")
    assert {one.name for one in score(job).scores}.isdisjoint({"cpu", "memory", "balance"})


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("out_of_memory", "", "out of memory"),
        ("timeout", "", "time limit"),
        ("completed", "a.out[4711]: segfault at 0 ip 0000", "segmentation fault"),
        ("completed", "slurmstepd: error: /bin/x: command not found", "program not found"),
        ("completed", "write error: No space left on device", "disk full"),
    ],
)
def test_a_known_problem_is_recognised_and_shows_its_sign(name: str, line: str, problem: str) -> None:
    found = {one.name: one for one in match(joined(name, line)).problems}
    assert problem in found
    assert found[problem].sign
    assert line in found[problem].sign


def test_a_run_that_went_well_has_no_known_problem() -> None:
    assert match(joined("completed")).problems == ()


def test_one_busy_core_of_many_is_recognised() -> None:
    job = joined("completed")
    times = msgspec.structs.replace(job.metrics.times, ran=Share(used=600.0))
    metrics = msgspec.structs.replace(job.metrics, cpu=Share(600.0, 4800.0, 0.125), times=times)
    found = match(msgspec.structs.replace(job, metrics=metrics)).problems
    assert [one.sign for one in found if one.name == "one core"] == ["1 of 8 cores was busy"]


def test_figures_of_another_run_are_not_joined() -> None:
    job = joined("completed")
    other = msgspec.structs.replace(job.ticket, run=job.ticket.run + 1)
    with pytest.raises(DecodeError, match="the figures are of run"):
        join(other, job.metrics, job.events, job.inventory)


@given(st.binary(max_size=100))
def test_any_file_is_a_document_or_refused(data: bytes) -> None:
    for kind in (Ticket, JobMetrics, JoinedJob, Assessment):
        with pytest.raises(DecodeError):
            read_document(data, kind)


def test_the_steps_in_a_shell_make_the_files_that_the_tools_are_tested_against(tmp_path: Path) -> None:
    """galaxy/test-data is what Galaxy's tool tests compare with: one truth for both."""
    data = ROOT / "galaxy/test-data"
    given = [f"--{name}={data / f'{name}.json'}" for name in ("ticket", "metrics", "events", "inventory")]
    step_files = {"joined": given, "scores": None, "problems": None}
    assert main(["assess", "join", *given, f"--output={tmp_path}/joined.json"]) == 0
    for step, name in (("score", "scores"), ("match", "problems")):
        assert main(["assess", step, f"--joined={tmp_path}/joined.json", f"--output={tmp_path}/{name}.json"]) == 0
    made = [f"--{name}={tmp_path}/{name}.json" for name in step_files]
    assert main(["assess", "report", *made, f"--output={tmp_path}/summary.json", f"--page={tmp_path}/report.html"]) == 0
    for name in ("joined.json", "scores.json", "problems.json", "summary.json", "report.html"):
        assert (tmp_path / name).read_bytes() == (data / name).read_bytes(), name


@pytest.mark.parametrize("to_s", [1_796_042_580, 2**40])
def test_lines_are_asked_for_as_a_hub_takes_it(to_s: int) -> None:
    ticket = Ticket(key="k", rule="r", cluster="c", job_id=42, run=1, from_s=1_796_042_500, to_s=to_s)
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(log_address(ticket)).query))
    query = query_of(asked, NOW_NS)
    assert (query.job_id, query.since_ns) == (42, ticket.from_s * 10**9)
    assert query.until_ns is not None
    assert query.until_ns > query.since_ns


def test_a_file_that_is_none_of_these_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "odd.json").write_text("{}")
    assert main(["assess", "score", f"--joined={tmp_path}/odd.json", f"--output={tmp_path}/x"]) == 2
    assert "odd.json" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
