"""Every layout of cgroup v2 that Slurm makes and every kind of job: the page's figures against the kernel's own.

The jobs of a layout run side by side, for all of it is emulated; the table is printed at the end and written to
build/vm/. No heterogeneous job: Slurm puts its components on different nodes, and here is one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from deploy.vm.image import HOST_NAME
from deploy.vm.machine import VirtualMachine

from testkit.checkout import ROOT
from vm.jobs import PATIENCE_S, pages_of
from vm.layout_table import Comparison, compare, compare_steps, table

RUN = "python3 /var/tmp/workload.py"
SURROUNDINGS = ". /etc/os-release; squeue --version; echo $PRETTY_NAME; uname -r"
GREEDY = "python3 -c 'len(bytearray(300 << 20))'"


class Kind(NamedTuple):
    """How jobs of one kind are made. `options` are sbatch's; `kills` how many are killed for memory."""

    name: str
    script: str
    options: str = ""
    kills: int = 0


KINDS = (
    Kind("batch", f"{RUN} 2 40 0"),
    Kind("short", f"{RUN} 0.2 8 0"),
    Kind("several steps", f"srun {RUN} 2 30 0\nsrun {RUN} 1 20 0\n{RUN} 0.5 8 0"),
    Kind("array task", f"{RUN} 1 20 0", "--array=1-2"),
    Kind("killed for memory", f"srun {GREEDY}\n{RUN} 0.5 8 0", kills=1),
    Kind("writes to a disk", f"srun {RUN} 0.5 8 8"),
)


class Layout(NamedTuple):
    """What makes this layout of Slurm's defaults, as shell, and what takes it back; `kinds` of KINDS run there."""

    name: str
    command: str
    kinds: tuple[Kind, ...]
    releases: tuple[str, ...]
    undo: str = "true"


ALL = ("22.05", "24.11", "26.05")
LAYOUTS = (
    Layout("as Slurm has it", "true", KINDS, ALL),
    Layout(
        "CgroupJobIdPaths",
        "echo CgroupJobIdPaths=yes >> /etc/slurm/cgroup.conf; systemctl restart slurmd",
        KINDS[:1],
        ("26.05",),
        "sed -i /CgroupJobIdPaths/d /etc/slurm/cgroup.conf; systemctl restart slurmd",
    ),
    # Last: the scope keeps them until the node boots.
    Layout("io and pids switched on", "systemctl start slurmlens-controllers", KINDS[:1] + KINDS[-1:], ALL),
)


@pytest.fixture(scope="module")
def comparisons(cluster: VirtualMachine, release: str) -> Iterator[list[Comparison]]:
    """What the tests below find; written for docs/generate_layouts.py once all were run."""
    found: list[Comparison] = []
    yield found
    surroundings = ", ".join(cluster.run(SURROUNDINGS).strip().splitlines())
    folder = ROOT / "build/vm"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"layouts-{release}.md").write_text(f"{surroundings}:\n\n{table(found)}")


@pytest.mark.parametrize("layout", LAYOUTS, ids=[one.name for one in LAYOUTS])
def test_what_a_jobs_page_says_is_what_its_cgroup_says(
    cluster: VirtualMachine, release: str, layout: Layout, comparisons: list[Comparison]
) -> None:
    if release not in layout.releases:
        return
    cluster.run(layout.command)
    cluster.until(f"sinfo -h -n {HOST_NAME} -o %t | grep -q idle", PATIENCE_S)
    seen = run_jobs(cluster, layout)
    cluster.run(layout.undo)
    assert {kind for kind, _ in seen} >= {kind.name for kind in layout.kinds}
    pages = pages_of(cluster, sorted({job for _, job in seen}))
    kills = {kind.name: kind.kills for kind in KINDS}
    found: list[Comparison] = []
    for (kind, job), outputs in seen.items():
        found += compare(layout.name, kind, pages[job], list(outputs.values()), kills.get(kind, 0))
        found.append(compare_steps(layout.name, kind, pages[job], outputs))
    comparisons += found
    wrong = [one for one in found if one.verdict == "wrong"]
    assert wrong == []
    controlled = {one.verdict for one in found if one.metric == "processes"}
    assert controlled == ({"unavailable"} if "io and pids" not in layout.name else {"right"})


def run_jobs(cluster: VirtualMachine, layout: Layout) -> dict[tuple[str, str], dict[str, Any]]:
    """Runs the layout's kinds; by kind and job id what each step's program saw."""
    cluster.run("rm -rf /var/tmp/vmjobs; mkdir -p /var/tmp/vmjobs /var/tmp/kinds")
    cluster.put((Path(__file__).parent / "workload.py").read_text(), "/var/tmp/workload.py")
    submitted = []
    for number, kind in enumerate(layout.kinds):
        cluster.put(f"#!/bin/sh\n{kind.script}\n", f"/var/tmp/kinds/{number}.sh")
        submitted.append(
            f"VMKIND='{kind.name}' sbatch --parsable -n1 --mem=100 -o /var/tmp/kinds/{number}.%j.out {kind.options} "
            f"/var/tmp/kinds/{number}.sh"
        )
    if layout.kinds == KINDS:
        submitted.append(f"VMKIND='srun alone' srun -n1 --mem=100 {RUN} 1 20 0")
    cluster.run("cd /var/tmp; " + "; ".join(submitted), check=False)
    cluster.until('test -z "$(squeue -h)"', PATIENCE_S)
    seen: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for line in cluster.run("cd /var/tmp/vmjobs && for one in *.json; do cat $one; echo; done").splitlines():
        one = json.loads(line)
        seen[one["kind"], one["job_id"]][one["step_id"]] = one
    return seen
