"""The panels that boards share: what jobs use in their slots, and what whole nodes do.

Which panels there are stands in `views.panels`, for the hub's own pages draw the same. A board says how a metric
becomes targets (`Asked`): of one job, of all slots of a node, as a sum over many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.model import Panel, Shape
from slurmlens.hub.dashboards.targets import NamedSeries
from slurmlens.hub.views.panels import JOB_PANELS, NODE_PANELS, JobPanel, NodePanel

Asked = Callable[[tuple[str, ...]], tuple[NamedSeries, ...]]
"""Curves of a metric, or of the other where the one is unavailable."""


class PanelMetrics(NamedTuple):
    """One panel as boards ask for it: what is drawn up, what down, and what a reader has to know."""

    title: str
    unit: str
    up: tuple[str, ...]
    down: tuple[str, ...] = ()
    note: str = ""

    @property
    def can_be_summed(self) -> bool:
        """Whether a sum over jobs or nodes means anything."""
        return self.unit != "ratio"


def _of_job(panel: JobPanel) -> PanelMetrics:
    up, down = (tuple(name for name in one or () if name is not None) for one in (panel.up, panel.down))
    return PanelMetrics(panel.title, panel.unit, up, down, panel.note)


def _of_node(panel: NodePanel) -> PanelMetrics:
    down = (panel.series_down,) if panel.series_down else ()
    return PanelMetrics(panel.title, panel.unit, (panel.series_up,), down, panel.note)


JOB_CURVES = tuple(_of_job(panel) for panel in JOB_PANELS)
NODE_CURVES = tuple(_of_node(panel) for panel in NODE_PANELS if panel.series_up)
SUMMED_JOB_CURVES = tuple(one for one in JOB_CURVES if one.can_be_summed)
SUMMED_NODE_CURVES = tuple(one for one in NODE_CURVES if one.can_be_summed)


def drawn(panels: tuple[PanelMetrics, ...], asked: Asked, *, is_stacked: bool = False) -> tuple[Panel, ...]:
    """The panels with their targets; mirrored ones are never stacked."""
    return tuple(
        Panel(
            title=one.title,
            unit=one.unit,
            note=one.note,
            targets=(
                *(curve.up for curve in asked(one.up)),
                *(curve.down for curve in (asked(one.down) if one.down else ())),
            ),
            is_stacked=is_stacked and not one.down and one.unit in ("cores", "bytes"),
        )
        for one in panels
    )


def context_switches(node: str) -> Panel:
    """The panel of 2015; `node` is a pattern."""
    return Panel(
        title="Context switches",
        unit="1/s",
        targets=(targets.by_level(targets.context_switches(node), 1).up,),
        note="Of the whole node, under its name of 2015: needs [series_2015] in node.toml.",
    )


def figure(title: str, unit: str, curve: NamedSeries, note: str) -> Panel:
    """One figure, the latest."""
    return Panel(title=title, unit=unit, shape=Shape.FIGURE, targets=(curve.up,), note=note)
