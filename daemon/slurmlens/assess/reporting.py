"""The report: a summary for the hub, and a page that needs nothing else. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator

from slurmlens.assess.documents import JoinedJob, KnownProblems, Scores
from slurmlens.shown.text import visible
from slurmlens.wire.assessment import Assessment

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}th,td{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #8884;"
    "vertical-align:top}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:1.6rem}code{overflow-wrap:anywhere}"
)
MOST_LINES = 40


def assessment(job: JoinedJob, scores: Scores, problems: KnownProblems) -> Assessment:
    """The content of the report."""
    return Assessment(
        key=job.ticket.key,
        job_id=job.ticket.job_id,
        run=job.ticket.run,
        headline=job.metrics.headline,
        total=scores.total,
        scores=scores.scores,
        problems=problems.problems,
    )


def render_report(job: JoinedJob, scores: Scores, problems: KnownProblems) -> str:
    """The report as a page."""
    return "\n".join(_lines(job, scores, problems)) + "\n"


def _lines(job: JoinedJob, scores: Scores, problems: KnownProblems) -> Iterator[str]:
    told = job.metrics.identity
    title = _escaped(
        f"Job {told.job_id}, run {told.run}: {told.name or 'without a name'} of {told.user or 'nobody known'}"
    )
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{_STYLE}</style></head>"
    yield f"<body><h1>{title}</h1><p>{_escaped(job.metrics.headline)}</p>"
    yield "<h2>Known problems</h2>"
    if not problems.problems:
        yield "<p>None was recognised.</p>"
    for one in problems.problems:
        yield f"<p><b>{_escaped(one.name)}</b>: {_escaped(one.words)} {_escaped(one.advice)}"
        yield f"<br><code>{_escaped(one.sign)}</code></p>"
    total = "nothing could be scored" if scores.total is None else f"{scores.total:.0%} in all"
    yield f"<h2>Scores: {total}</h2><table>"
    yield from (
        f"<tr><td>{_escaped(one.name)}</td><td>{one.value:.0%}</td><td>{_escaped(one.words)}</td></tr>"
        for one in scores.scores
    )
    yield "</table><h2>Where it ran</h2><table>"
    for node in job.inventory.nodes:
        facts = "; ".join(f"{name} {value}" for name, value in sorted(node.facts.items()))
        yield f"<tr><td>{_escaped(node.name)}</td><td>{_escaped(facts)}</td></tr>"
    yield "</table><h2>What was said</h2><table>"
    for line in job.events.lines[-MOST_LINES:]:
        yield f"<tr><td>{_escaped(line.node or '')}</td><td><code>{_escaped(line.text)}</code></td></tr>"
    yield f"</table><p>Trigger {_escaped(job.ticket.key)}, rule {_escaped(job.ticket.rule)}.</p></body></html>"


def _escaped(text: str) -> str:
    return html.escape(visible(text))
