"""Triggers to what is shown of them, as page, CSV and terminal: pure. Fed by `web.pages.workflows`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from slurmlens.hub.views.workflow.view import TriggerLine, WorkflowsView
from slurmlens.hub.workflows.trigger import OPEN, Trigger, TriggerState
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible

HEADER = ("key", "rule", "job_id", "run", "made", "state", "attempt", "invocation", "problem", "report")
OFF = "This hub starts no workflows: its settings have no table [workflows]."
HOW_TO_SWITCH_ON = """\
[workflows]
url = "http://galaxy:8080"               # a Galaxy with the tools of galaxy/
key_file = "/etc/slurmlens/galaxy.key"   # the key of the user that runs them
failed_jobs = true                       # which runs: those that failed,
findings = false                         # those that findings touch first,
schedule_s = 86400                       # the largest of each day
"""
_TONES = {
    TriggerState.DONE: "good",
    TriggerState.FAILED: "bad",
    TriggerState.LEFT_OUT: "warn",
    TriggerState.INVOKED: "busy",
    TriggerState.RELEASED: "busy",
}


def build_workflows_view(cluster: str, triggers: Sequence[Trigger] | None, now_ns: int) -> WorkflowsView:
    """The list; None is a hub that starts no workflows."""
    if triggers is None:
        return WorkflowsView(cluster=cluster, made_ns=now_ns, sentence=OFF, counts={}, rows=(), is_on=False)
    states = Counter(one.state for one in triggers)
    open_count = sum(states[state] for state in OPEN)
    words = f"{fmt.count(len(triggers), 'workflow')}, {open_count} under way, {states[TriggerState.FAILED]} given up."
    return WorkflowsView(
        cluster=cluster,
        made_ns=now_ns,
        sentence=words if triggers else "Nothing has started a workflow yet.",
        counts={state.value: states[state] for state in TriggerState if states[state]},
        rows=tuple(_line(one) for one in triggers),
    )


def _line(one: Trigger) -> TriggerLine:
    ticket = one.ticket
    return TriggerLine(
        key=visible(ticket.key),
        rule=visible(ticket.rule),
        job_id=ticket.job_id,
        run=ticket.run,
        made_ns=one.made_ns,
        state=one.state.value,
        tone=_TONES.get(one.state, "idle"),
        attempt=one.attempt,
        begun_ns=one.begun_ns,
        next_ns=one.due_ns if one.state in OPEN else None,
        invocation=None if one.invocation is None else visible(one.invocation),
        problem=None if one.problem is None else visible(one.problem),
        report=None if one.report is None else visible(one.report.headline),
    )


def workflows_csv(view: WorkflowsView) -> str:
    """One line a trigger."""
    rows = (
        (
            one.key,
            one.rule,
            one.job_id,
            one.run,
            fmt.iso(one.made_ns),
            one.state,
            one.attempt,
            one.invocation,
            one.problem,
            one.report,
        )
        for one in view.rows
    )
    return csv_table(HEADER, rows)


def render_workflows(view: WorkflowsView, sheet: Sheet) -> str:
    """The same as text, ending in a newline."""
    lines = [view.sentence, ""]
    if not view.is_on:
        lines += ["In the hub's settings (docs/galaxy.md):", "", *HOW_TO_SWITCH_ON.splitlines()]
    for one in view.rows:
        run = f"{one.job_id}/{one.run}" if one.run > 1 else str(one.job_id)
        head = f"{one.rule}, job {run}, {one.state}, attempt {one.attempt}, {fmt.moment(one.made_ns, sheet.zone)}"
        lines.append(f"  {sheet.ink.paint(head, one.tone)}")
        lines += [f"      {text}" for text in (one.report, one.problem, one.invocation) if text]
    return "\n".join(line.rstrip() for line in lines) + "\n"
