"""A campaign's page: one HTML file that needs nothing else, light and dark, printable, readable without scripts.

Pure. `hub` is the hub's address; with it every job links to its page there.
"""

from __future__ import annotations

import html
from collections.abc import Iterator

from slurmlens.shown.campaign import sentences
from slurmlens.shown.campaign.charts import HEIGHT, WIDTH, CampaignChart, ChartMark, campaign_charts
from slurmlens.shown.campaign.table import columns
from slurmlens.shown.text import visible
from slurmlens.wire.campaign_view import CampaignView, PointView

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
    name = _escaped(view.name)
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{name}: campaign</title>'
    yield f"<style>{_STYLE}</style></head><body><h1>{name}</h1>"
    yield f"<p>{_escaped(sentences.goal(view))}</p>"
    yield f"<p>{_escaped(sentences.headline(view))}</p>"
    yield from (f"<p>{_escaped(line)}</p>" for line in sentences.facts(view))
    for chart in campaign_charts(view):
        yield f"<h2>{chart.heading}</h2>{_svg(chart, hub)}"
    yield "<h2>Points and their jobs</h2>"
    yield from _table(view, hub)
    yield "</body></html>"


def _svg(chart: CampaignChart, hub: str | None) -> str:
    title, marks = _escaped(chart.title), "".join(_mark(mark, hub) for mark in chart.marks)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>{marks}</svg>'


def _mark(mark: ChartMark, hub: str | None) -> str:
    attributes = "".join(f' {name}="{_escaped(value)}"' for name, value in mark.attributes.items())
    words = _escaped(mark.words)
    inside = words if mark.tag == "text" else f"<title>{words}</title>" if words else ""
    element = f'<{mark.tag} class="{mark.role}"{attributes}>{inside}</{mark.tag}>'
    job_id = mark.point.job_id if mark.point else None
    return element if hub is None or job_id is None else f'<a href="{_escaped(hub)}/jobs/{job_id}">{element}</a>'


def _table(view: CampaignView, hub: str | None) -> Iterator[str]:
    names, figures = columns(view)
    head = "".join(f"<th>{_escaped(text)}</th>" for text in ("point", "jobs", "state", *figures, *names, "why"))
    yield f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>'
    for one in view.points:
        cells = [f"{one.values[name]:.6g}" if name in one.values else "" for name in figures]
        cells += [sentences.shown(one.parameters[name]) if name in one.parameters else "" for name in names]
        row = "".join(f"<td>{_escaped(cell)}</td>" for cell in cells)
        winner = ' class="winner"' if one.point == view.best or one.point in view.front else ""
        yield (
            f"<tr{winner}><td>{one.point}</td><td>{_jobs(one, hub)}</td><td>{_escaped(one.state)}</td>{row}"
            f'<td class="why">{_escaped(one.reason)}</td></tr>'
        )
    yield "</tbody></table></div>"


def _jobs(one: PointView, hub: str | None) -> str:
    ids = [attempt.job_id for attempt in one.attempts if attempt.job_id]
    if hub is None:
        return " ".join(str(job_id) for job_id in ids)
    return " ".join(f'<a href="{_escaped(hub)}/jobs/{job_id}">{job_id}</a>' for job_id in ids)


def _escaped(text: str) -> str:
    return html.escape(visible(text))
