"""The panels that boards share: what jobs use in their slots, and what whole nodes do.

Owns which metrics stand in which panel, with their units. A board says how a metric becomes targets (`Asked`): of one
job, of all slots of a node, as a sum over many. What goes in is drawn below the axis, what goes out above it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.model import Panel, Shape
from slurmlens.hub.dashboards.targets import NamedSeries

Asked = Callable[[tuple[str, ...]], tuple[NamedSeries, ...]]
"""Curves of a metric, or of the other where the one is unavailable."""


class PanelMetrics(NamedTuple):
    """One panel: what is drawn up, what down, and what a reader has to know."""

    title: str
    unit: str
    up: tuple[str, ...]
    down: tuple[str, ...] = ()
    note: str = ""


JOB_PANELS = (
    PanelMetrics("CPU", "cores", ("cpu_cores",), note="Cores kept busy."),
    PanelMetrics("Memory", "bytes", ("memory_bytes",), note="Charged to the job, page cache included."),
    PanelMetrics(
        "Input and output",
        "bytes/s",
        ("io_written_bytes_per_second", "process_io_written_bytes_per_second"),
        ("io_read_bytes_per_second", "process_io_read_bytes_per_second"),
        "Written above the axis, read below it. Where the job has no counter of its own: summed over its processes.",
    ),
    PanelMetrics(
        "Waiting for memory",
        "ratio",
        ("pressure_memory_some_ratio", "node_pressure_memory_some_ratio"),
        note="Share of time in which some task stood still; the whole node's where the job has none of its own.",
    ),
)
NODE_PANELS = (
    PanelMetrics("CPU of the node", "cores", ("cpu_busy_cores",), note="Of all processes, jobs' or not."),
    PanelMetrics("Memory of the node", "bytes", ("memory_used_bytes",), note="What could not be had without swapping."),
    PanelMetrics(
        "Network of the node",
        "bytes/s",
        ("network_sent_bytes_per_second",),
        ("network_received_bytes_per_second",),
        "Sent above the axis, received below it. The whole node's: Slurm counts no job's.",
    ),
    PanelMetrics("Load of the node", "count", ("load_1min_count",), note="Mean over a minute."),
)


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
