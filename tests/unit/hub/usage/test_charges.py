"""The parts of a run add up to the run, and the runs' parts to the whole, to the second."""

from __future__ import annotations

import datetime
import itertools
from collections import Counter, defaultdict
from zoneinfo import ZoneInfo

import msgspec
import pytest
from bench.hub_load.job_mix import JobMix, jobs_of
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.hub.usage.charges import (
    FOREVER_S,
    SUM_NAMES,
    RunCharge,
    UsageKey,
    UsageSums,
    charge_of,
    hourly,
    job_type,
    portion,
)
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from testkit.charged_runs import charged
from testkit.usage_oracle import by_sweeping

BERLIN = ZoneInfo("Europe/Berlin")
BEGIN_S = 1_774_000_000


def made(**changes: object) -> RunCharge:
    values: dict[str, object] = {
        "job_id": 7,
        "run": 1,
        "key": UsageKey("all", "alice", "physics", "normal", "COMPLETED"),
        "start_s": BEGIN_S,
        "end_s": BEGIN_S + 10_000,
        "node_count": 3,
        "core_count": 12,
        "gpu_count": 2,
        "memory_mib": 4_096,
        "suspended_s": 501,
        "cpu_ms": 77_777_777,
        "gpu_seen_ms": 19_000_003,
        "gpu_busy_ms": 4_000_001,
        "peak_mib": 1_001,
    }
    return RunCharge(**(values | changes))


charges = st.builds(
    lambda start, lasted, nodes, cores, gpus, memory, suspended, cpu, peak, user, state: made(
        start_s=BEGIN_S + start,
        end_s=BEGIN_S + start + lasted,
        node_count=nodes,
        core_count=cores,
        gpu_count=gpus,
        memory_mib=memory,
        suspended_s=min(lasted, suspended),
        cpu_ms=cpu,
        peak_mib=peak,
        key=UsageKey("all", user, "physics", "", state),
    ),
    st.integers(0, 90_000),
    st.integers(0, 200_000),
    st.integers(0, 50),
    st.integers(0, 900),
    st.integers(0, 9),
    st.integers(0, 10**6),
    st.integers(0, 10**5),
    st.integers(0, 10**10),
    st.integers(0, 10**6),
    st.sampled_from(["alice", "bob", ""]),
    st.sampled_from(["COMPLETED", "FAILED"]),
)


def whole(charge: RunCharge) -> UsageSums:
    lasted = charge.end_s - charge.start_s
    return UsageSums(
        node_s=charge.node_count * lasted,
        core_s=charge.core_count * lasted,
        gpu_s=charge.gpu_count * lasted,
        memory_mib_s=charge.memory_mib * lasted,
        suspended_core_s=charge.core_count * charge.suspended_s,
        cpu_ms=charge.cpu_ms if lasted else 0,
        gpu_seen_ms=charge.gpu_seen_ms if lasted else 0,
        gpu_busy_ms=charge.gpu_busy_ms if lasted else 0,
        peak_mib_s=charge.peak_mib * lasted,
        started=1,
        ended=1,
    )


def total(parts: list[UsageSums]) -> UsageSums:
    return UsageSums(**{name: sum(getattr(part, name) for part in parts) for name in SUM_NAMES})


@given(charges)
def test_the_hours_of_a_run_add_up_to_the_run(charge: RunCharge) -> None:
    assert total([sums for _, sums in hourly(charge)]) == whole(charge)


@given(charges, st.lists(st.integers(-10_000, 300_000), max_size=8))
def test_the_parts_of_any_division_add_up_to_the_run(charge: RunCharge, cuts: list[int]) -> None:
    moments = [BEGIN_S - 20_000, *sorted(BEGIN_S + cut for cut in cuts), BEGIN_S + 400_000]
    assert total([portion(charge, *span) for span in itertools.pairwise(moments)]) == whole(charge)


@given(st.lists(charges, max_size=12))
def test_sums_by_hour_and_key_are_those_of_the_slow_oracle(runs: list[RunCharge]) -> None:
    assert_as_the_oracle(runs)


@pytest.mark.slow
@settings(max_examples=1, deadline=None)
@given(st.integers(0, 2**32))
def test_a_hundred_thousand_jobs_add_up(seed: int) -> None:
    mix = JobMix(100_000, seed=seed)
    runs = [one for job in jobs_of(mix) for run in job.runs if (one := charged(run.record)) is not None]
    closed = [run for run in runs if not run.is_open]
    assert len(runs) > 95_000
    assert_as_the_oracle(closed)
    assert total([sums for run in closed for _, sums in hourly(run)]) == total([whole(run) for run in closed])


def assert_as_the_oracle(runs: list[RunCharge]) -> None:
    found: defaultdict[tuple[int, UsageKey], Counter[str]] = defaultdict(Counter)
    for run in runs:
        for hour_s, sums in hourly(run):
            amounts = {name: getattr(sums, name) for name in ("node_s", "core_s", "gpu_s", "memory_mib_s")}
            found[hour_s, run.key].update({name: amount for name, amount in amounts.items() if amount})
    assert {hour: counts for hour, counts in found.items() if counts} == by_sweeping(runs)


def test_a_day_of_the_clock_change_has_its_own_length() -> None:
    begin_s = int(datetime.datetime(2026, 10, 25, tzinfo=BERLIN).timestamp())
    end_s = int(datetime.datetime(2026, 10, 26, tzinfo=BERLIN).timestamp())
    run = made(start_s=begin_s - 100, end_s=end_s + 100, core_count=1)
    assert portion(run, begin_s, end_s).core_s == 25 * 3_600


def test_a_run_across_midnight_is_started_on_one_day_and_ended_on_the_other() -> None:
    midnight_s = BEGIN_S // 86_400 * 86_400
    run = made(start_s=midnight_s - 60, end_s=midnight_s + 60)
    before, after = portion(run, midnight_s - 86_400, midnight_s), portion(run, midnight_s, midnight_s + 86_400)
    assert (before.started, before.ended, after.started, after.ended) == (1, 0, 0, 1)
    assert before.core_s == after.core_s == 12 * 60


def test_what_was_suspended_is_told_apart_and_not_taken_off() -> None:
    sums = whole(made())
    assert (sums.core_s, sums.suspended_core_s) == (120_000, 12 * 501)


def test_a_run_that_goes_on_counts_up_to_the_windows_end() -> None:
    run = made(end_s=FOREVER_S)
    assert portion(run, BEGIN_S + 100, BEGIN_S + 160) == UsageSums(
        node_s=180, core_s=720, gpu_s=120, memory_mib_s=4_096 * 60, peak_mib_s=60_060
    )
    assert list(hourly(run)) == []


def test_a_run_of_which_nobody_knows_the_end_lasts_until_the_scheduler_was_last_heard_of_it() -> None:
    record = JobRecord(
        job_id=7,
        state=JobState.UNKNOWN,
        source=RecordSource.QUEUE,
        state_flags=("VANISHED",),
        start_s=BEGIN_S,
        cpu_count=2,
    )
    row = {"job_id": 7, "number": 1, "state": "UNKNOWN", "start_ns": None, "end_ns": None, "cpu_s": None}
    row |= {"memory_peak_bytes": None, "node_count": 1, "name": "x", "user": "a", "account": "b", "partition": "p"}
    charge = charge_of(row, record, BEGIN_S + 90)
    assert charge is not None
    assert charge.end_s == BEGIN_S + 90


def test_jobs_of_one_kind_have_one_name() -> None:
    assert job_type("CFD-Run_0042.sh") == job_type("cfd-run_7.sh") == "cfd-run_#.sh"


def test_a_charge_is_a_value_that_survives_its_row() -> None:
    assert msgspec.convert(msgspec.to_builtins(made()), RunCharge) == made()


@given(st.floats(0, 1e18))
def test_what_a_node_may_tell_of_a_run_fits_into_the_sums(cpu_s: float) -> None:
    row = {"job_id": 7, "number": 1, "state": "COMPLETED", "start_ns": BEGIN_S * NS_PER_S, "cpu_s": cpu_s}
    row |= {"end_ns": (BEGIN_S + 60) * NS_PER_S, "memory_peak_bytes": 1e18, "node_count": 1, "name": "x", "user": "a"}
    charge = charge_of(row | {"account": "b", "partition": "p"}, None)
    assert charge is not None
    for _, sums in hourly(charge):
        assert all(getattr(sums, name) < 2**63 // 100 for name in SUM_NAMES)
