"""A campaign in sentences: its best, how far it is, what it used, saved and lost. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.wire.campaign_view import CampaignView


def goal(view: CampaignView) -> str:
    """Objectives and constraints, and by which optimiser."""
    return f"{', '.join([*view.objectives, *view.constraints])} · {view.optimiser}"


def headline(view: CampaignView) -> str:
    """The best, or the front, or that there is none yet."""
    best = next((one for one in view.points if one.point == view.best), None)
    if best is not None:
        figures = ", ".join(f"{name} {value:.6g}" for name, value in best.values.items())
        where = ", ".join(f"{name} {shown(value)}" for name, value in best.parameters.items())
        return f"Best is point {best.point}: {figures} at {where}."
    if view.front:
        return f"{len(view.front)} points are on the front."
    return "No feasible point is known yet."


def facts(view: CampaignView) -> Iterator[str]:
    """What else there is to say, a sentence each."""
    counts = ", ".join(f"{count} {word}" for word, count in view.counts.items()) or "none yet"
    yield f"{len(view.points)} points: {counts}. The campaign is {view.state}{f': {view.why}' if view.why else ''}."
    limit = f" of {view.node_hours_limit:g}" if view.node_hours_limit is not None else ""
    yield f"{view.used_node_hours:.3g}{limit} node-hours were used."
    if view.counts.get("stopped"):
        saved = f"{view.saved_low_node_hours:.3g} to {view.saved_high_node_hours:.3g}"
        yield f"{view.counts['stopped']} runs were ended early, which saved {saved} node-hours."
    if view.lost_attempts:
        hours = f"{view.lost_node_hours:.3g} node-hours"
        yield f"{view.lost_attempts} runs were lost with their nodes ({hours}) and ran again."
    if view.trouble:
        yield f"It waits: {view.trouble}."


def shown(value: object) -> str:
    """A parameter's value as people read it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
