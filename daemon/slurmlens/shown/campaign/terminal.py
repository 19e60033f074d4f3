"""The status of a campaign in the terminal: head, progress, best, what was saved, and the latest points.

Pure; the sheet says how wide and whether in colour. Drawn again at every turn while a campaign runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import clip, pad, visible
from slurmlens.wire.campaign_view import CampaignView, PointView

_ORDER = ("running", "queued", "waiting", "fine", "stopped", "infeasible", "withdrawn")
_WORDS = {"fine": "done", "stopped": "stopped early"}
_TONES = {"running": "active", "fine": "good", "infeasible": "warn", "withdrawn": "warn", "stopped": "idle"}
SHOWN_POINTS = 12
_BAR = 18


def render_campaign(view: CampaignView, sheet: Sheet) -> str:
    """The whole status, a line a fact, at most `sheet.columns` wide."""
    return "".join(
        clip(line, sheet.columns) + "\n" if "\x1b" not in line else line + "\n" for line in _lines(view, sheet)
    )


def _lines(view: CampaignView, sheet: Sheet) -> Iterator[str]:
    goal = ", ".join([*view.objectives, *view.constraints])
    yield f"Campaign {view.name}   {goal}   {view.optimiser}"
    yield _head(view)
    yield f"  points  {_progress(view, sheet)}"
    best = next((one for one in view.points if one.point == view.best), None)
    if best is not None:
        yield f"  best    #{best.point}  {_pairs(best.values)}   {_pairs(best.parameters)}"
    elif view.front:
        yield f"  front   {len(view.front)} points: {' '.join(f'#{one}' for one in view.front)}"
    if view.points_without_gain is not None and best is not None:
        yield f"  gain    none for {view.since_gain} of {view.points_without_gain} results"
    if view.counts.get("stopped"):
        hours = f"{view.saved_low_node_hours:.3g} to {view.saved_high_node_hours:.3g} node-h"
        yield f"  saved   {hours} by stopping {view.counts['stopped']}"
    if view.lost_attempts:
        yield f"  lost    {view.lost_node_hours:.3g} node-h: {view.lost_attempts} runs ended by their nodes, run again"
    if view.trouble:
        yield sheet.ink.paint(clip(f"  waits   {visible(view.trouble)}", sheet.columns), "warn")
    yield ""
    yield from _table(view, sheet)


def _head(view: CampaignView) -> str:
    limit = f" of {view.node_hours_limit:g}" if view.node_hours_limit is not None else ""
    reserved = f" (+{view.reserved_node_hours:.3g} reserved)" if view.reserved_node_hours > 0.0005 else ""
    why = f": {visible(view.why)}" if view.why else ""
    return f"  {view.state}{why}   {view.used_node_hours:.3g}{limit} node-h{reserved}"


def _progress(view: CampaignView, sheet: Sheet) -> str:
    told = sum(view.counts.get(word, 0) for word in ("fine", "stopped", "infeasible", "withdrawn"))
    counts = [f"{view.counts[word]} {_WORDS.get(word, word)}" for word in _ORDER if view.counts.get(word)]
    return f"{sheet.ink.bar(told / view.points_limit, _BAR)}  {len(view.points)}  {'  '.join(counts)}"


def _table(view: CampaignView, sheet: Sheet) -> Iterator[str]:
    shown = view.points if sheet.full else view.points[-SHOWN_POINTS:]
    if not shown:
        yield "no point was asked for yet"
        return
    yield "point  job       state          figures"
    for one in shown:
        job = str(one.attempts[-1].job_id or "–") if one.attempts else "–"
        again = f" ×{len(one.attempts)}" if len(one.attempts) > 1 else ""
        word = pad(_WORDS.get(one.state, one.state) + again, 13)
        figures = clip(_figures(one), max(10, sheet.columns - 32))
        painted = sheet.ink.paint(word, _TONES.get(one.state, "strong"))
        yield f"{pad(f'#{one.point}', 6)} {pad(job, 9)} {painted}  {figures}"
    if len(shown) < len(view.points):
        yield f"the {len(shown)} latest of {len(view.points)}; --wide shows all"


def _figures(one: PointView) -> str:
    said = "  ".join(part for part in (_pairs(one.values), _pairs(one.parameters)) if part)
    return f"{said}  {visible(one.reason)}" if one.reason else said


def _pairs(values: object) -> str:
    assert isinstance(values, dict)
    return " ".join(
        f"{name} {value:.5g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
