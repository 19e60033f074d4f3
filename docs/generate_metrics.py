#!/usr/bin/env python3
"""Writes docs/metrics.md from the metric table and the table of cgroup layouts; a test compares the two.

Run it after a change to `slurmlens/metrics.py`, `slurmlens/cgroup/layout.py`, or to what the node daemon counts.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterable
from pathlib import Path

from slurmlens.cgroup.layout import IO_AND_PIDS_FIELDS, LAYOUTS, Hierarchy
from slurmlens.metrics import FIELDS, METRICS, Metric, Source, Tier
from slurmlens.node_metrics import NODE_METRICS
from slurmlens.wire.series_2015 import PROGRAM_FIGURES

PAGE = Path(__file__).with_name("metrics.md")
own_figures = runpy.run_path(str(Path(__file__).with_name("own_figures.py")))["rows"]

_V1 = next(layout.fields for layout in LAYOUTS if layout.hierarchy is Hierarchy.V1)
_V2 = next(layout.fields for layout in LAYOUTS if layout.hierarchy is Hierarchy.V2)
COLUMNS: tuple[tuple[str, frozenset[str]], ...] = (
    ("v1, 22.05", _V1),
    ("v2, 22.05", _V2),
    ("v2, 26.05", _V2),
    ("v2 with `io` and `pids`", _V2 | IO_AND_PIDS_FIELDS),
)

INTRODUCTION = """# Metrics

What slurmlens measures of a job, and where each figure comes from. This page is generated (`docs/generate_metrics.py`).

A figure that a node cannot give is *unavailable*: there is no series, no point and no number for it anywhere, and never
a 0 in its place. What is taken from processes or from the whole node instead has a name of its own, so that nobody
takes one for the other."""

NOTES = """**measured**: the job's own counter. **from processes**: summed over the job's living processes where the
daemon may read them, under the name given; what ended between two looks is not in it. **from the node**: the whole
node's figure while the job ran, under the name given.

* `io` and `pids` are off below Slurm's scope by default in every release. Slurm 26.05 switches them on with
  `EnableExtraControllers=io,pids` in cgroup.conf; the column at the right is what a job has then.
* Throttling on v1 is measured where `cpu` and `cpuacct` are mounted together (most systemd machines), else it is
  unavailable. `memory_peak_bytes` needs kernel 5.19 on v2, pressure a kernel that was started with `psi=1`.
* On v1 the kernel counts OOM kills and refused charges only in the folder where they happened; a job's are summed over
  its steps and tasks. Those of a task that ended between two samples are lost with its folder.
* On v1 and v2 a job's memory includes its page cache and its slurmstepd. On v2 a job's CPU time includes slurmstepd's
  own; a step is read from `step_N/user`, without it.
* On v2 I/O is summed over devices; where devices are stacked (LVM, RAID) the kernel may count a byte on each layer.
* `progress_ratio` beside these, in the slot of a job that tells its own progress ([progress](progress.md)): the share
  that is done of its task here that is least far, whenever that is told anew.
* `progress_value.NAME`, where `value_series` in `[app_socket]` is on: what such a job tells beside it."""


OWN_FIGURES = """`slurmlens status --json` shows them all, at any time. Beside that, where the node's settings want it:

* **carbon**: `[telemetry] carbon = true` sends them every `interval_s` (60 s) as
  `slurm.<cluster>.nodes.<node>.slurmlens.<figure>`, one more level for each label. At most 64 label sets a figure and
  500 series a node; a healthy node has about 30. `etc/carbon/storage-schemas.conf` has their rule.
* **Prometheus**, asked over HTTP: `[telemetry] prometheus = "127.0.0.1:9830"` answers `GET /metrics`. Whoever reaches
  the address may read; names of users and jobs are not in it.
* **Prometheus**, through node_exporter's textfile collector, without any port: a timer that runs
  `slurmlens status --prometheus >F.tmp && mv F.tmp F.prom` in the collector's folder.

For Prometheus a name begins with `slurmlens_`. What ends in `_total` only grows until the daemon starts again; anything
else is a level. A label's value comes from a bounded set; beyond 64 of a figure they are counted under `other`."""


SERIES_2015 = """Boards of the ancestor ask carbon for other names. With `[series_2015]` in the settings of node and
hub, these are sent as well, byte for byte as in 2015; off by default, for they cost (a look at every process, and
files in carbon for every program that ever ran: at most `programs`) and say nothing of a job. The node's go through its
spool as all its points do; while carbon is away the hub keeps 360 intervals in memory, a relay on its host keeps more.
`slurm.stats.total` is new: `sumSeries(slurm.stats.*.*.RUNNING.jobs)` counts a job once for its user and once for each
group. A group counts where this host or the scheduler says that the user is in it."""

NODE_ITSELF = """Every `[collectors] interval_s` (60 s) the daemon reads the node itself, in a thread of its own, and
sends `slurm.<cluster>.nodes.<node>.system.<collector>[.<of>].<figure>`; figures with *hub* go to the hub as well, in
the `node-state` event, and stand on the node's page. Rates are means of the interval and begin with the second round;
a counter that falls (a driver was loaded again) makes no rate once, one that wraps is known to wrap. What a machine
does not have has no series, and its collector is not even loaded.

* All of it is our own reading of procfs and sysfs, with descriptors that are kept: psutil knows CPU, memory, disks,
  interfaces and sensors as well, and costs 1.4 MiB of a daemon's memory (ADR 4); the tests compare both on a live
  machine.
* Each collector's cost is measured and shown by `slurmlens status`. One that costs more than `budget_share` of a core
  is read in every 2nd, 4th … 16th round; one that is dearer than that, or fails five times, is off for an hour, which
  is said. `without` leaves collectors out by name.
* Of a collector's devices the first `devices_max` (64) have figures; how many are left out is said.
* The unit gives the daemon no rights: RAPL's energy (root alone since 2020), Lustre's counters in debugfs, and the
  clock's offset (`@clock` is not among its system calls) need a drop-in, which the package brings
  ([installation](installation.md)); `/home` needs `ProtectHome=read-only`; without, they are unavailable."""


NAMES_2015 = (
    ("`servers.HOST.network.INTERFACE.{rx_byte,tx_byte,rx_bit,tx_bit}`", "a second; not the loopback", "node"),
    ("`servers.HOST.proc.ctxt`", "context switches a second", "node"),
    ("`psutil.TYPE.HOST.user.USER`", "processes of a user that is not root", "node"),
    ("`psutil.TYPE.HOST.state.STATE`", "processes in that state", "node"),
    (f"`psutil.TYPE.HOST.USER.PROGRAM.{{{','.join(PROGRAM_FIGURES)}}}`", "of what runs, a program's together", "node"),
    ("`slurm.stats.users.USER.{RUNNING,PENDING}.{jobs,nodes,cpus}`", "the queue by user", "hub"),
    ("`slurm.stats.groups.GROUP.{RUNNING,PENDING}.{jobs,nodes,cpus}`", "by group", "hub"),
    ("`slurm.stats.total.{RUNNING,PENDING}.{jobs,nodes,cpus}`", "in all", "hub"),
)


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = list(heading)
    lines = [heading, ["---"] * len(heading), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _availability(metric: Metric, offered: frozenset[str]) -> str:
    if metric.field in offered:
        return "measured"
    for source, words in ((Source.PROCESSES, "from processes"), (Source.NODE, "from the node")):
        for other in METRICS:
            if other.source is source and other.field == metric.field:
                return f"{words}: `{other.name}`"
    return "unavailable"


def _metric_rows() -> Iterable[Iterable[str]]:
    tiers = {field.name: field.tier.value for field in FIELDS}
    for metric in METRICS:
        kept = "yes" if metric.in_profile else ""
        tier = Tier.SLOW.value if metric.source is Source.PROCESSES else tiers[metric.field]
        yield f"`{metric.name}`", metric.unit, tier, metric.source.value, kept, metric.text


def _node_rows() -> Iterable[Iterable[str]]:
    for metric in NODE_METRICS:
        told = "yes" if metric.in_state else ""
        yield f"`{metric.full_name}`", metric.unit, metric.of, told, metric.text


def _layout_rows() -> Iterable[Iterable[str]]:
    places = {Hierarchy.V1: "each controller", Hierarchy.V2: "`system.slice` or `CgroupSlice=`"}
    for layout in LAYOUTS:
        yield layout.hierarchy.value, places[layout.hierarchy], f"`{layout.base}`", layout.releases


def page() -> str:
    """The whole page."""
    own = [metric for metric in METRICS if metric.source is Source.CGROUP]
    names = [name for name, _offered in COLUMNS]
    parts = [
        INTRODUCTION,
        "## All metrics",
        "Fast is every tick (10 s by default), slow every sixth. Profile: kept as minimum, mean and maximum per point.",
        _table(["name", "unit", "tier", "source", "profile", "what"], _metric_rows()),
        "## What a job has in which layout",
        _table(
            ["metric", *names],
            ((f"`{metric.name}`", *(_availability(metric, offered) for _name, offered in COLUMNS)) for metric in own),
        ),
        NOTES,
        "## Where a node's jobs are looked for",
        _table(["cgroup", "in", "folder", "releases"], _layout_rows()),
        "A job's folder in there is `uid_<user>/job_<id>` on v1, `job_<id>` on v2, and in 26.05 its SLUID (unless "
        "`CgroupJobIdPaths=yes`);\nthe job of a SLUID folder is told by root's process title `slurmstepd: [3.batch]` "
        "in a step's own folder.",
        "## The node itself",
        NODE_ITSELF,
        _table(["figure", "unit", "of each", "hub", "what"], _node_rows()),
        "## Under the names of 2015",
        SERIES_2015,
        _table(["series", "what", "from"], NAMES_2015),
        "## What the daemon says of itself",
        OWN_FIGURES,
        _table(["figure", "labels", "what"], own_figures()),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
