"""Jobs in the virtual machine: submitted as root does it, and their pages once all is told."""

from __future__ import annotations

import json
from typing import Any

from deploy.vm.machine import VirtualMachine

PATIENCE_S = 900.0
"""An emulated squeue takes long, and the hub asks for a tenth of the time at most: it waits minutes for its turn."""
IS_TOLD = (
    "import json, sys; page = json.load(sys.stdin); "
    'sys.exit(page["phase"] != "ended" or not page["nodes"] or any(n.get("oom_kills") is None for n in page["nodes"]))'
)


def submit(cluster: VirtualMachine, script: str, options: str = "-n1 --mem=100") -> str:
    """Submits one job of this script; returns its id."""
    cluster.put(f"#!/bin/sh\n{script}\n", "/root/job.sh")
    return cluster.run(f"cd /tmp && sbatch --parsable {options} /root/job.sh").strip()


def page(cluster: VirtualMachine, job: str) -> dict[str, Any]:
    """The job's page as JSON once the scheduler's end and its nodes' summaries are there."""
    cluster.until(f"slurmlens job {job} --json | python3 -c '{IS_TOLD}'", PATIENCE_S)
    found: dict[str, Any] = json.loads(cluster.run(f"slurmlens job {job} --json"))
    return found


def steps_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A page's steps by their names in Slurm."""
    return {one["step"]: one for one in found["steps"]}
