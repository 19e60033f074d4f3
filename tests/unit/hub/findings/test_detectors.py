"""Each detector finds what it is for, and leaves alone what looks like it."""

from __future__ import annotations

import random

import pytest

from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.detectors.broken_device import broken_devices
from slurmlens.hub.findings.detectors.drift import drifting_nodes
from slurmlens.hub.findings.detectors.event_rate import raised_rates, tail
from slurmlens.hub.findings.detectors.failing_node import failing_nodes
from slurmlens.hub.findings.detectors.held_idle import held_idle
from slurmlens.hub.findings.detectors.odd_node import leave_one_out_cut, odd_nodes, outliers, pooled_noise
from slurmlens.hub.findings.detectors.stopped_computing import pause_of, stopped_runs
from slurmlens.hub.findings.observed import Exposure, NodeMakeup, Observed, RateKey, RunLoad
from testkit.findings import NOW_NS, ended, event, load


def seen(**what: object) -> Observed:
    return Observed(now_ns=NOW_NS, **what)  # type: ignore[arg-type]


GOOD = [ended(number, "COMPLETED", f"n{number % 3 + 2}", user=f"u{number}") for number in range(1, 8)]


def test_a_node_is_under_suspicion_after_its_second_failure_of_another_user() -> None:
    failed = [ended(20 + turn, "FAILED", "n1", ago_s=300 - 60 * turn, user=f"v{turn}") for turn in range(2)]
    (claim,) = failing_nodes(seen(runs=(*GOOD, *failed)))
    assert claim.subject.name == "n1"
    assert claim.jobs == (20, 21)
    assert "2 of 2 that ended there" in claim.sentence
    assert claim.p is not None
    assert claim.p < 0.05
    assert "v0" not in claim.hint


def test_more_failures_make_the_suspicion_stronger() -> None:
    failed = [ended(20 + turn, "FAILED", "n1", ago_s=300 - 60 * turn, user=f"v{turn}") for turn in range(4)]
    two, four = (next(failing_nodes(seen(runs=(*GOOD, *failed[:count])))) for count in (2, 4))
    assert four.score > two.score


@pytest.mark.parametrize(
    "failed",
    [
        [ended(20, "FAILED", "n1", user="v0")],
        [ended(20 + turn, "FAILED", "n1", user="same", name="same") for turn in range(3)],
        [ended(20 + turn, "OUT_OF_MEMORY", "n1", user=f"v{turn}") for turn in range(3)],
        [
            *(ended(20 + turn, "FAILED", "n1", user=f"v{turn}") for turn in range(2)),
            ended(29, "COMPLETED", "n1", ago_s=9),
        ],
        [ended(20 + turn, "FAILED", f"n{turn}", user=f"v{turn}") for turn in range(5)],
    ],
    ids=[
        "one failure",
        "one user's one program",
        "jobs that passed their own limit",
        "it works again",
        "failures everywhere",
    ],
)
def test_a_node_is_not_suspected_of(failed: list[object]) -> None:
    assert list(failing_nodes(seen(runs=(*GOOD, *failed)))) == []


def sound(nodes: int, seed: int, intervals: int = 10, noise: float = 0.03) -> dict[str, list[float]]:
    draw = random.Random(seed)
    return {f"n{node}": [draw.gauss(7.2, 7.2 * noise) for _ in range(intervals)] for node in range(nodes)}


def odd(loads: RunLoad, noise: float | None = None) -> list[Claim]:
    return list(odd_nodes(seen(loads=(loads,), noise={} if noise is None else {"cpu_share": noise})))


@pytest.mark.parametrize("nodes", [3, 5, 8, 16])
def test_one_slow_node_among_its_siblings_is_named_in_jobs_of_every_size(nodes: int) -> None:
    cpu = sound(nodes, seed=nodes)
    cpu["n1"] = [value * 0.4 for value in cpu["n1"]]
    (claim,) = odd(load(42, cpu))
    assert (claim.subject.name, claim.detail, claim.jobs) == ("n1", "computes less", (42,))


@pytest.mark.parametrize("nodes", [2, 3, 5, 8, 16, 64])
def test_sound_jobs_are_left_alone(nodes: int) -> None:
    assert [claim for seed in range(30) for claim in odd(load(seed + 1, sound(nodes, seed)))] == []


def test_a_node_that_was_slow_for_a_moment_is_not_odd() -> None:
    cpu = sound(8, seed=1)
    cpu["n1"][-3:] = [0.5, 0.5, 0.5]
    assert odd(load(42, cpu)) == []


def test_gaps_and_equal_ranks_raise_nothing() -> None:
    equal = {f"n{node}": [8.0] * 10 for node in range(8)}
    equal["n3"] = [7.7] * 10
    assert odd(load(42, equal)) == []
    assert odd(load(42, {**{f"n{node}": [8.0] * 10 for node in range(8)}, "n9": [None] * 10})) == []


def test_of_few_nodes_the_spread_comes_from_jobs_before() -> None:
    shares = {"n1": 0.9, "n2": 0.9, "n3": 0.6}
    assert [one.node for one in outliers(shares, noise=0.03)] == ["n3"]
    assert list(outliers(shares, noise=0.3)) == []


def test_pooled_noise_is_the_usual_relative_spread() -> None:
    noise = pooled_noise([load(seed, sound(6, seed, noise=0.1)) for seed in range(1, 6)])
    assert noise == pytest.approx(0.1, rel=0.4)
    assert pooled_noise([load(1, sound(6, 1, intervals=2))]) is None


def test_the_cut_falls_with_the_number_of_nodes() -> None:
    cuts = [leave_one_out_cut(count) for count in (7, 8, 10, 12, 16, 24, 32)]
    assert cuts == sorted(cuts, reverse=True)
    assert leave_one_out_cut(8) == 5.8


RATES = {RateKey(f"n{node}", "hung_task"): Exposure(1, 7 * 86_400.0) for node in range(5)}
NODES = {f"n{node}": NodeMakeup(node=f"n{node}") for node in range(5)}


def test_a_burst_of_events_on_a_node_is_found_and_a_usual_number_is_not() -> None:
    burst = tuple(event("hung_task", ago_s=60 * turn) for turn in range(5))
    (claim,) = raised_rates(seen(events=burst, rates=RATES, nodes=NODES))
    assert (claim.kind, claim.detail, claim.values["count"]) == (FindingKind.EVENT_RATE, "hung_task", 5)
    often = {RateKey("n1", "hung_task"): Exposure(5 * 24 * 7, 7 * 86_400.0)}
    assert list(raised_rates(seen(events=burst, rates=often, nodes=NODES))) == []
    assert list(raised_rates(seen(events=burst[:2], rates=RATES, nodes=NODES))) == []


def test_one_server_that_many_nodes_miss_is_one_finding_about_the_server() -> None:
    lines = tuple(event("nfs_silent", f"n{node}", server="nfs1", ago_s=turn) for node in range(4) for turn in range(4))
    (claim,) = raised_rates(seen(events=lines, rates={}, nodes=NODES))
    assert (claim.subject.kind, claim.subject.name) == ("server", "nfs1")
    assert {one.name for one in claim.entities} == {"n0", "n1", "n2", "n3"}


def test_the_tail_is_that_of_a_poisson_number_where_the_rate_is_well_known() -> None:
    known = (1e6, 1e6 * 3600 / 2)  # two an hour, known for long
    assert tail(1, 3600, known) == pytest.approx(1 - 2.718281828**-2, rel=1e-3)
    assert tail(40, 3600, known) < 1e-30


@pytest.mark.parametrize(
    ("kind", "fields", "device"),
    [
        ("gpu_error", {"xid": 79, "pci": "0000:3b:00"}, "GPU 0000:3b:00"),
        ("gpu_gone", {"pci": "0000:3b:00"}, "GPU 0000:3b:00"),
        ("memory_error", {"severity": "UE", "dimm": "A1", "count": 1}, "memory module A1"),
        ("memory_error", {"severity": "CE", "dimm": "A1", "count": 8821}, "memory module A1"),
        ("disk_error", {"device": "sda"}, "disk sda"),
    ],
)
def test_a_counter_that_only_a_broken_device_makes_grow(kind: str, fields: dict[str, str | int], device: str) -> None:
    (claim,) = broken_devices(seen(events=(event(kind, **fields),)))
    assert claim.detail == device


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("gpu_error", {"xid": 31, "pci": "0000:3b:00"}), ("memory_error", {"severity": "CE", "dimm": "A1", "count": 2})],
)
def test_an_applications_fault_and_a_corrected_bit_break_no_device(kind: str, fields: dict[str, str | int]) -> None:
    assert list(broken_devices(seen(events=(event(kind, **fields),)))) == []


def test_an_allocation_that_computes_nothing_for_an_hour_is_held_idle() -> None:
    (claim,) = held_idle(seen(loads=(load(42, {"n1": [0.01] * 70, "n2": [0.0] * 70}),)))
    assert claim.jobs == (42,)
    worked = [0.01] * 69 + [3.0]
    assert list(held_idle(seen(loads=(load(42, {"n1": worked, "n2": [0.0] * 70}),)))) == []
    assert list(held_idle(seen(loads=(load(42, {"n1": [0.0] * 30}),)))) == []
    assert list(held_idle(seen(loads=(load(42, {"n1": [None] * 70}),)))) == []


def test_a_run_that_worked_and_stands_still_longer_than_ever_has_stopped() -> None:
    (claim,) = stopped_runs(seen(loads=(load(42, {"n1": [7.0] * 30 + [0.0] * 15, "n2": [7.0] * 45}),)))
    assert claim.values["node"] == "n1"
    assert "n1 of job 42 stopped computing" in claim.sentence


def test_pauses_that_a_program_always_makes_are_no_stop() -> None:
    course = ([7.0] * 5 + [0.0] * 10) * 4
    assert list(stopped_runs(seen(loads=(load(42, {"n1": course}),)))) == []
    assert pause_of([0.9] * 5 + [None] * 20) is None


def test_a_node_that_differs_from_its_group_is_named_with_what_is_usual() -> None:
    nodes = {f"n{n}": NodeMakeup(node=f"n{n}", group="g", attributes={"slurm_version": "24.11.1"}) for n in range(6)}
    nodes["n3"] = NodeMakeup(node="n3", group="g", attributes={"slurm_version": "24.05.4"})
    (claim,) = drifting_nodes(seen(nodes=nodes))
    assert (claim.subject.name, claim.values["usual"]) == ("n3", "24.11.1")
    half = {f"n{n}": NodeMakeup(node=f"n{n}", group="g", attributes={"v": n % 2}) for n in range(6)}
    assert list(drifting_nodes(seen(nodes=half))) == []
