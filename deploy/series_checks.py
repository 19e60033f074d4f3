"""The demo's check of what carbon keeps: the series of one job, found by its slots, read back through /render."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deploy import json_client
from deploy.cgroups import Kind
from deploy.errors import DeployError
from deploy.running import Ended
from deploy.slurmlens import PROGRAMS
from deploy.stack import CLUSTER, FAST_INTERVAL_S, Stack

Check = Callable[[bool, str], None]
NS_PER_S = 1_000_000_000
PRESENT_RATIO = 0.8
INTEGRAL_TOLERANCE = 0.05
# What cgroup v1 does not count per job.
LACKING_ON_V1 = ("cpu_throttled", "pids_", "io_", "pressure_")
# The product's own table of metrics, as a program prints it: deploy/ imports nothing of the product.
TABLE = """
import json
from slurmlens.metrics import FIELD_INDEX, FIELDS, METRICS
print(json.dumps([[m.name, m.source.value, m.kind.value, FIELDS[FIELD_INDEX[m.field]].tier.value] for m in METRICS]))
"""


@dataclass(frozen=True)
class Metric:
    name: str
    source: str
    kind: str
    tier: str

    @property
    def every_tick(self) -> bool:
        """A rate from the job's own counters has a point at every fast tick."""
        return (self.source, self.kind, self.tier) == ("cgroup", "rate", "fast")


def check_series(stack: Stack, each: Ended, check: Check) -> None:
    """On every node of the job: all expected series, filled, and their integral the summary's CPU seconds."""
    events = json_client.get(f"{stack.hub.url}/jobs/{each.job_id}/events.json")
    summaries = [event for event in events if event["event"]["action"] == "job-summary"]
    check(len(summaries) == len(each.nodes), f"job {each.job_id}: a summary from each of its {len(each.nodes)} nodes")
    table = [metric for metric in metric_table() if _expected(metric, stack.slurm.cgroup.kind)]
    for summary in summaries:
        _check_node(stack, each.job_id, summary, table, check)


def _check_node(stack: Stack, job_id: int, summary: dict[str, Any], table: Sequence[Metric], check: Check) -> None:
    body, node = summary["slurm"], summary["host"]["name"]
    prefix = f"slurm.{CLUSTER}.nodes.{node}.slots.{body['slot']}"
    first_s, last_s = body["start_ns"] // NS_PER_S, body["end_ns"] // NS_PER_S
    inside = _rendered(stack, prefix, first_s + 2 * FAST_INTERVAL_S, last_s - FAST_INTERVAL_S)
    missing = [metric.name for metric in table if not any(value is not None for value in inside.get(metric.name, []))]
    sparse = [
        metric.name
        for metric in table
        if metric.every_tick and metric.name not in missing and _present_ratio(inside[metric.name]) < PRESENT_RATIO
    ]
    words = f"; missing: {', '.join(missing)}" if missing else ""
    words += f"; with gaps: {', '.join(sparse)}" if sparse else ""
    check(not missing and not sparse, f"job {job_id}: {len(table)} series of {prefix} read back{words}")
    whole = _rendered(stack, prefix, first_s - FAST_INTERVAL_S, last_s + 2 * FAST_INTERVAL_S).get("cpu_cores", [])
    integral = sum(value or 0.0 for value in whole) * FAST_INTERVAL_S
    total = body["totals"]["cpu_s"]["value"]
    good = abs(integral - total) <= INTEGRAL_TOLERANCE * total
    check(good, f"job {job_id}: {integral:.3f} CPU s in carbon, {total:.3f} in the summary of {node}")


def _rendered(stack: Stack, prefix: str, from_s: int, until_s: int) -> dict[str, list[float | None]]:
    """Points of every series below the prefix, by the last component of its name."""
    return {
        series["target"].rsplit(".", 1)[1]: [value for value, _ in series["datapoints"]]
        for series in stack.carbon.render(f"{prefix}.*", from_s, until_s)
    }


def _present_ratio(values: Sequence[float | None]) -> float:
    return sum(value is not None for value in values) / len(values) if values else 0.0


def metric_table() -> list[Metric]:
    """What the product says that it measures."""
    done = subprocess.run([str(PROGRAMS / "python"), "-c", TABLE], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeployError(f"the table of metrics is not to be had: {done.stderr.strip()}")
    return [Metric(*row) for row in json.loads(done.stdout)]


def _expected(metric: Metric, kind: Kind) -> bool:
    if metric.source != "cgroup":
        return kind is Kind.V1  # what is taken from processes or from the node stands in for what v1 lacks
    return not (kind is Kind.V1 and metric.name.startswith(LACKING_ON_V1))
