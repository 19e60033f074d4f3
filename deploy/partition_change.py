"""What the demo checks of the hub's memory: a job that ran before its partition changed shows the partition of then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deploy import json_client
from deploy.slurm import SmallSlurm

PARTITION = "all"
SEEN_WITHIN_S = 40.0
"""The hub asks for nodes every 20 s here."""


def take_a_node_out(slurm: SmallSlurm) -> str:
    """The first node leaves the partition; its name."""
    first, *others = slurm.node_names
    _set_nodes(slurm, others)
    return first


def check_partition_of_then(
    hub_url: str, slurm: SmallSlurm, job_id: int, gone: str, check: Callable[[bool, str], None]
) -> None:
    """The job's page says what its partition had when it began, and who left it since; then all is as before."""
    until_s = time.monotonic() + SEEN_WITHIN_S
    while (line := _partition_line(hub_url, job_id)).get("changed") is None and time.monotonic() < until_s:
        time.sleep(0.5)
    said = f"{line.get('label')} {line.get('text')}; {line.get('changed')}"
    check(line.get("changed") == f"{gone} left since", f"job {job_id} of before the change: when it began {said}")
    _set_nodes(slurm, slurm.node_names)


def _partition_line(hub_url: str, job_id: int) -> dict[str, Any]:
    view = json_client.get(f"{hub_url}/api/v1/jobs/{job_id}")
    found: dict[str, Any] = next((line for line in view["then"] if line["kind"] == "node"), {})
    return found


def _set_nodes(slurm: SmallSlurm, names: list[str]) -> None:
    slurm.slurm("scontrol", "update", f"PartitionName={PARTITION}", f"Nodes={','.join(names)}")
