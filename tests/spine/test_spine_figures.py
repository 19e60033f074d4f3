"""The figures are right: against the program's own getrusage, and against carbon read back through /render."""

from __future__ import annotations

import re

import pytest
from deploy.stack import CLUSTER, FAST_INTERVAL_S

from slurmlens.metrics import METRICS, Kind, Source
from testkit.spine import Jobs, Spine

pytestmark = pytest.mark.slurm

UNAVAILABLE_ON_V1 = re.compile(r"^(cpu_throttled|pids|io_|pressure_)")
NS_PER_S = 1_000_000_000


def expected_metrics() -> set[str]:
    """What a job on cgroup v1 has series for, from the table of metrics: all but what that hierarchy lacks."""
    return {
        metric.name
        for metric in METRICS
        if not (metric.source is Source.CGROUP and UNAVAILABLE_ON_V1.match(metric.name))
    }


def test_a_job_of_a_third_of_a_second_has_its_cpu_seconds_from_our_own_counters(road: Spine, jobs: Jobs) -> None:
    road.ended_view(jobs.short)
    said = re.search(r"burn: ([0-9.]+) CPU s", road.output(jobs.short))
    assert said is not None
    (summary,) = road.summaries(jobs.short)
    figure = summary["slurm"]["totals"]["cpu_s"]
    assert figure["value"] == pytest.approx(float(said.group(1)), rel=0.10)
    assert figure["source"] in {"last_sample", "parent_rest", "parent_rest_split"}


def test_every_expected_series_of_a_job_reads_back_through_render(road: Spine, jobs: Jobs) -> None:
    road.ended_view(jobs.mpi, 180)
    for summary in road.summaries(jobs.mpi):
        body = summary["slurm"]
        start_s, end_s = body["start_ns"] / NS_PER_S, body["end_ns"] / NS_PER_S
        prefix = f"slurm.{CLUSTER}.nodes.{summary['host']['name']}.slots.{body['slot']}"
        first = int(start_s) + 2 * FAST_INTERVAL_S
        last = int(end_s) - FAST_INTERVAL_S
        rendered = {
            series["target"].rsplit(".", 1)[1]: [value for value, _ in series["datapoints"]]
            for series in road.stack.carbon.render(f"{prefix}.*", first, last)
        }
        missing = expected_metrics() - rendered.keys()
        assert not missing, f"no series below {prefix} for {sorted(missing)}"
        for metric in METRICS:
            values = rendered.get(metric.name)
            if values and metric.kind is Kind.RATE and metric.source is Source.CGROUP:
                present = sum(value is not None for value in values)
                assert present >= 0.8 * len(values), f"{metric.name}: {present} of {len(values)} points"


def test_the_integral_of_cpu_in_carbon_is_the_summarys_cpu_seconds(road: Spine, jobs: Jobs) -> None:
    road.ended_view(jobs.mpi, 180)
    for summary in road.summaries(jobs.mpi):
        body = summary["slurm"]
        target = f"slurm.{CLUSTER}.nodes.{summary['host']['name']}.slots.{body['slot']}.cpu_cores"
        (series,) = road.stack.carbon.render(target, body["start_ns"] // NS_PER_S - 1, body["end_ns"] // NS_PER_S + 2)
        integral = sum(value or 0.0 for value, _ in series["datapoints"]) * FAST_INTERVAL_S
        assert integral == pytest.approx(body["totals"]["cpu_s"]["value"], rel=0.05)
