"""A campaign's points as CSV: a line a point, a column a parameter and figure. Pure."""

from __future__ import annotations

import csv
import io

from slurmlens.campaign.view import CampaignView


def render_csv(view: CampaignView) -> str:
    """The table; texts that a spreadsheet would run as a formula begin with a quote."""
    names = list(dict.fromkeys(name for one in view.points for name in one.parameters))
    figures = list(dict.fromkeys(name for one in view.points for name in one.values))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["point", "state", "feasible", *names, *figures, "job_id", "attempts", "node_seconds", "nodes", "reason"]
    )
    for one in view.points:
        last = one.attempts[-1] if one.attempts else None
        row = [one.point, one.state, int(one.feasible)]
        row += [one.parameters.get(name, "") for name in names] + [one.values.get(name, "") for name in figures]
        row += [last.job_id if last and last.job_id else "", len(one.attempts)]
        row += [sum(each.node_seconds for each in one.attempts), last.nodes if last else "", one.reason]
        writer.writerow([_harmless(cell) for cell in row])
    return out.getvalue()


def _harmless(cell: object) -> object:
    return "'" + cell if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else cell
