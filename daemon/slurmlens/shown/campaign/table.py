"""A campaign's points as CSV: a line a point, a column a parameter and figure. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.shown.csv import csv_table
from slurmlens.wire.campaign_view import CampaignView, PointView


def campaign_csv(view: CampaignView) -> str:
    """The table; figures with six digits, as in all tables. The JSON has them whole."""
    names, figures = columns(view)
    header = ["point", "state", "feasible", *names, *figures, "job_id", "attempts", "node_seconds", "nodes", "reason"]
    return csv_table(header, (list(_row(one, names, figures)) for one in view.points))


def columns(view: CampaignView) -> tuple[list[str], list[str]]:
    """Names of all parameters, and of all figures, in the order in which they first came."""
    names = dict.fromkeys(name for one in view.points for name in one.parameters)
    return list(names), list(dict.fromkeys(name for one in view.points for name in one.values))


def _row(one: PointView, names: list[str], figures: list[str]) -> Iterator[object]:
    last = one.attempts[-1] if one.attempts else None
    yield from (one.point, one.state, one.feasible)
    yield from (one.parameters.get(name) for name in names)
    yield from (one.values.get(name) for name in figures)
    yield from (one.job_id, len(one.attempts), sum(each.node_seconds for each in one.attempts))
    yield from (last.nodes if last else None, one.reason)
