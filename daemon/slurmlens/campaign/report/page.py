"""A campaign's page: one HTML file that needs nothing else, light and dark, printable, readable without scripts.

Pure. `hub` is the hub's address; with it every job links to its page there.
"""

from __future__ import annotations

import html
from collections.abc import Iterator

from slurmlens.campaign.report import charts
from slurmlens.campaign.view import CampaignView, PointView
from slurmlens.shown.text import visible

_STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1b1b1b; --dim: #5f5f5f; --rule: #d8d8d8; --paper: #fff; --accent: #0072b2; --best: #d55e00;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --dim: #a8a8a8; --rule: #444; --paper: #161616; --accent: #56b4e9; --best: #e69f00; }
}
body {
  font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
  color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
}
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; } p { margin: .2rem 0; }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--dim); } svg .small { font-size: 10px; }
.line { fill: none; stroke: var(--accent); stroke-width: 1.6; } .axis { fill: none; stroke: var(--rule); }
.dot { fill: var(--accent); } .faint { fill: none; stroke: var(--dim); stroke-opacity: .35; }
.best, .ring { fill: none; stroke: var(--best); stroke-width: 2.4; } .scroll { overflow-x: auto; }
a { color: var(--accent); } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .7rem .2rem 0; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { color: var(--dim); font-weight: 500; } tr.winner td { font-weight: 600; }
td.why { white-space: normal; color: var(--dim); min-width: 12rem; }
"""


def render_page(view: CampaignView, hub: str | None = None) -> str:
    """The page as text."""
    return "\n".join(_lines(view, hub)) + "\n"


def _lines(view: CampaignView, hub: str | None) -> Iterator[str]:
    name = html.escape(view.name)
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{name}: campaign</title>'
    yield f"<style>{_STYLE}</style></head><body><h1>{name}</h1>"
    yield f"<p>{html.escape(', '.join([*view.objectives, *view.constraints]))} · {html.escape(view.optimiser)}</p>"
    yield f"<p>{html.escape(_sentence(view))}</p>"
    yield from (f"<p>{html.escape(line)}</p>" for line in _facts(view))
    for title, chart in (
        ("The best so far", charts.trace(view)),
        ("Pareto front", charts.pareto(view)),
        ("All feasible points", charts.parallel(view)),
    ):
        if chart:
            yield f"<h2>{title}</h2>{chart}"
    yield "<h2>Points and their jobs</h2>"
    yield from _table(view, hub)
    yield "</body></html>"


def _sentence(view: CampaignView) -> str:
    best = next((one for one in view.points if one.point == view.best), None)
    if best is not None:
        figures = ", ".join(f"{name} {value:.6g}" for name, value in best.values.items())
        where = ", ".join(f"{name} {_shown(value)}" for name, value in best.parameters.items())
        return f"Best is point {best.point}: {figures} at {where}."
    if view.front:
        return f"{len(view.front)} points are on the front."
    return "No feasible point is known yet."


def _facts(view: CampaignView) -> Iterator[str]:
    counts = ", ".join(f"{count} {word}" for word, count in view.counts.items())
    yield f"{len(view.points)} points: {counts}. The campaign is {view.state}{f': {view.why}' if view.why else ''}."
    limit = f" of {view.node_hours_limit:g}" if view.node_hours_limit is not None else ""
    yield f"{view.used_node_hours:.3g}{limit} node-hours were used."
    if view.counts.get("stopped"):
        saved = f"{view.saved_low_node_hours:.3g} to {view.saved_high_node_hours:.3g}"
        yield f"{view.counts['stopped']} runs were ended early, which saved {saved} node-hours."
    if view.lost_attempts:
        hours = f"{view.lost_node_hours:.3g} node-hours"
        yield f"{view.lost_attempts} runs were lost with their nodes ({hours}) and ran again."


def _table(view: CampaignView, hub: str | None) -> Iterator[str]:
    names = list(dict.fromkeys(name for one in view.points for name in one.parameters))
    figures = list(dict.fromkeys(name for one in view.points for name in one.values))
    head = "".join(f"<th>{html.escape(text)}</th>" for text in ("point", "jobs", "state", *figures, *names, "why"))
    yield f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>'
    for one in view.points:
        cells = [f"{one.values[name]:.6g}" if name in one.values else "" for name in figures]
        cells += [_shown(one.parameters[name]) if name in one.parameters else "" for name in names]
        row = "".join(f"<td>{html.escape(visible(cell))}</td>" for cell in cells)
        winner = ' class="winner"' if one.point == view.best or one.point in view.front else ""
        yield (
            f"<tr{winner}><td>{one.point}</td><td>{_jobs(one, hub)}</td><td>{one.state}</td>{row}"
            f'<td class="why">{html.escape(visible(one.reason))}</td></tr>'
        )
    yield "</tbody></table></div>"


def _jobs(one: PointView, hub: str | None) -> str:
    ids = [attempt.job_id for attempt in one.attempts if attempt.job_id]
    if hub is None:
        return " ".join(str(job_id) for job_id in ids)
    return " ".join(f'<a href="{html.escape(hub)}/jobs/{job_id}">{job_id}</a>' for job_id in ids)


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
