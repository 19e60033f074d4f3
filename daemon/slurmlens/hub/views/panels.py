"""The panels of jobs and of nodes: one table, from which the hub's own pages and the boards for Grafana draw the same.

Owns which panels there are, in which order, with their titles and units, and what each draws above and below its axis.
A page draws a job from its profile and a node from the figures that the hub keeps; a board asks carbon for the same,
where the nodes send it: a panel without series is on pages alone. Pure. Read by `views.job.charts`,
`views.entity.courses` and `hub.dashboards.curves`; adding a panel is adding a row.
"""

from __future__ import annotations

from dataclasses import dataclass

from slurmlens.hub.views.job.profile_bins import BinValue


@dataclass(frozen=True, slots=True)
class JobPanel:
    """One panel of a job: its metrics above and below the axis, each with what stands in where the job's own is not
    measured. They are columns of its profile and, by the same names, series of its slot.

    `totals` are the fields of `Totals` that sum the same thing up: a job can be too short for a course and have them.
    """

    key: str
    title: str
    unit: str
    up: tuple[str, str | None]
    totals: tuple[str, ...]
    down: tuple[str, str | None] | None = None
    part: BinValue = BinValue.MEAN
    substitute_note: str | None = None
    why_empty: str = "not measured"
    note: str = ""
    """What a reader has to know who sees only the panel."""


@dataclass(frozen=True, slots=True)
class NodePanel:
    """One panel of a node: figures of `node_states.figures` above and below the axis, and the series of the same. On
    pages the greatest value is drawn beside the mean where `shows_high`."""

    key: str
    title: str
    unit: str
    up: str
    down: str = ""
    shows_high: bool = True
    series_up: str = ""
    series_down: str = ""
    note: str = ""


_OF_PROCESSES = "summed over living processes"
_OF_NODE = "of the whole node, not of the job alone"

JOB_PANELS: tuple[JobPanel, ...] = (
    JobPanel("cpu", "CPU", "cores", ("cpu_cores", None), ("cpu_s",), note="Cores kept busy."),
    JobPanel(
        "memory",
        "Memory",
        "bytes",
        ("memory_bytes", None),
        ("memory_peak_bytes",),
        part=BinValue.HIGH,
        note="Charged to the job, page cache included.",
    ),
    JobPanel(
        "io",
        "I/O",
        "bytes/s",
        ("io_read_bytes_per_second", "process_io_read_bytes_per_second"),
        ("io_read_bytes", "io_written_bytes"),
        ("io_written_bytes_per_second", "process_io_written_bytes_per_second"),
        substitute_note=_OF_PROCESSES,
        why_empty="not measured: no block I/O counters for this job",
        note="Read above the axis, written below it. Without counters of the job's own: summed over its processes.",
    ),
    *(
        JobPanel(
            f"pressure_{what}",
            f"{word} pressure",
            "ratio",
            (f"pressure_{what}_some_ratio", f"node_pressure_{what}_some_ratio"),
            (f"pressure_{what}_some_s",),
            substitute_note=_OF_NODE,
            why_empty="not measured: this kernel has no pressure counters (PSI)",
            note="Share of time in which some task waited; the whole node's where the job has none of its own.",
        )
        for what, word in (("cpu", "CPU"), ("memory", "Memory"), ("io", "I/O"))
    ),
)

NODE_PANELS: tuple[NodePanel, ...] = (
    NodePanel("cpu", "CPU busy", "cores", "cpu", series_up="cpu_busy_cores", note="Of all processes, jobs' or not."),
    NodePanel(
        "memory",
        "Memory used",
        "bytes",
        "memory",
        shows_high=False,
        series_up="memory_used_bytes",
        note="What could not be had without swapping.",
    ),
    *(
        NodePanel(
            f"pressure_{what}",
            f"{word} pressure",
            "ratio",
            f"pressure_{what}",
            series_up=f"pressure_{what}_some_ratio",
            note="Share of time in which some task of the node waited.",
        )
        for what, word in (("cpu", "CPU"), ("memory", "Memory"), ("io", "I/O"))
    ),
    NodePanel("io", "Disks", "bytes/s", "disk_read", "disk_written", shows_high=False),
    NodePanel("disk_busy", "Busiest disk", "ratio", "disk_busy"),
    NodePanel(
        "network",
        "Network",
        "bytes/s",
        "network_received",
        "network_sent",
        shows_high=False,
        series_up="network_received_bytes_per_second",
        series_down="network_sent_bytes_per_second",
        note="Received above the axis, sent below it. The whole node's: Slurm counts no job's.",
    ),
    NodePanel("fabric", "InfiniBand", "bytes/s", "fabric_received", "fabric_sent", shows_high=False),
    NodePanel("files", "Lustre, NFS", "bytes/s", "files_read", "files_written", shows_high=False),
    NodePanel("load", "Load, 1 min", "count", "load", series_up="load_1min_count", note="Mean over a minute."),
    NodePanel("gpu", "GPUs busy", "ratio", "gpu"),
    NodePanel("temperature", "Hottest sensor", "°C", "temperature"),
    NodePanel("power", "CPU power", "W", "power"),
)
