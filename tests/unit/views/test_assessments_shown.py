"""What a workflow made of a run stands on its page, in the terminal and in the JSON, as text and never as markup."""

from __future__ import annotations

import msgspec

from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.hub.views.job.terminal import render_job
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.render import job_context, make_environment, render_part
from slurmlens.hub.workflows.trigger import Trigger, TriggerState
from slurmlens.runtime.local_zone import LocalZone
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import width
from slurmlens.wire.assessment import Assessment, KnownProblem, Score, Ticket
from testkit.job_gallery import GALLERY

TICKET = Ticket(key="failed-job:c:1:2:1", rule="failed-job", cluster="c", job_id=1, run=1, from_s=0, to_s=1)
REPORT = Assessment(
    TICKET.key,
    1,
    1,
    "it failed",
    0.29,
    (Score("cpu", 0.7, "66% of its core-seconds were used"),),
    (KnownProblem("disk full", "A file system took nothing more.", "Free space.", "<b>No space left on device"),),
)


def shown(*triggers: Trigger) -> tuple[JobView, str, str]:
    view = build_job_view(GALLERY["failed_on_faulty_node"](), RunSurroundings(triggers=triggers))
    page = render_part(make_environment(Assets()), "advice", job_context(view))
    return view, page, render_job(view, Sheet(LocalZone()))


def test_a_report_is_shown_with_its_score_and_the_signs_of_its_problems() -> None:
    view, page, text = shown(Trigger(ticket=TICKET, made_ns=1, state=TriggerState.DONE, report=REPORT))
    assert view.assessments[0].total == 0.29
    assert "disk full" in page
    assert "&lt;b&gt;No space left" in page
    assert "29 % in all" in text
    assert "disk full" in text
    assert max(width(line) for line in text.splitlines()) <= 80
    assert msgspec.json.decode(msgspec.json.encode(view), type=JobView) == view


def test_a_workflow_that_failed_says_why() -> None:
    failed = Trigger(
        ticket=TICKET, made_ns=1, state=TriggerState.FAILED, attempt=3, problem="jobs are in state <error>"
    )
    _, page, text = shown(failed)
    assert "failed" in page
    assert "attempt 3" in page
    assert "&lt;error&gt;" in page
    assert "jobs are in state <error>" in text


def test_without_a_workflow_nothing_is_said() -> None:
    _, page, text = shown()
    assert "Assessed" not in page
    assert "Assessed" not in text
