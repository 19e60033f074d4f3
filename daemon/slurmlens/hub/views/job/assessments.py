"""What workflows made of a run, as its page shows it: pure. Fed by `web.view_cache` with the room's triggers."""

from __future__ import annotations

from collections.abc import Iterable

from slurmlens.hub.views.job.view import AssessmentView
from slurmlens.hub.workflows.trigger import Trigger


def build_assessments(triggers: Iterable[Trigger]) -> tuple[AssessmentView, ...]:
    """One for each trigger, in their order."""
    return tuple(
        AssessmentView(
            rule=one.ticket.rule,
            state=one.state.value,
            attempt=one.attempt,
            made_ns=one.made_ns,
            problem=one.problem,
            total=one.report.total if one.report else None,
            scores=one.report.scores if one.report else (),
            problems=one.report.problems if one.report else (),
        )
        for one in triggers
    )
