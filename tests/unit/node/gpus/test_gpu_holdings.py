"""Which job has which GPU, and what it makes of it: never guessed, held though idle, used from outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import Moment
from slurmlens.events import GpuHolding, GpuState
from slurmlens.node.gpus.allocation import by_devices, by_numbers
from slurmlens.node.gpus.holdings import TOLD_AFTER_END, GpuAllocation, Holdings
from slurmlens.node.gpus.reading import GpuReading

NS_PER_S = 1_000_000_000


def gpus(*minors: int) -> list[GpuState]:
    """GPUs in the order of their addresses, with these minor numbers."""
    return [GpuState(uuid=f"GPU-{n}", pci=f"0000:{n:02x}:00.0", minor=minor) for n, minor in enumerate(minors)]


def test_a_devices_cgroup_names_the_gpus_by_their_minor_numbers() -> None:
    text = "c 1:3 rwm\nc 195:2 rwm\nc 195:0 rwm\nc 195:255 rwm\nb *:* m\n"
    assert by_devices(text, gpus(0, 1, 2, 3)) == {"GPU-0", "GPU-2"}
    assert by_devices(text, gpus(3, 2, 1, 0)) == {"GPU-1", "GPU-3"}
    assert by_devices("c 1:3 rwm\n", gpus(0, 1)) == frozenset()


@pytest.mark.parametrize("text", ["a *:* rwm\n", "c *:* rwm\n", "c 195:* rwm\n"])
def test_a_cgroup_that_allows_all_says_nothing_of_what_was_given(text: str) -> None:
    assert by_devices(text, gpus(0, 1)) is None


def test_slurms_numbers_are_believed_where_both_of_their_meanings_agree() -> None:
    assert by_numbers("0,2-3", gpus(0, 1, 2, 3)) == {"GPU-0", "GPU-2", "GPU-3"}
    assert by_numbers("1", gpus(0, 1, 3, 2)) == {"GPU-1"}
    assert by_numbers("2", gpus(0, 1, 3, 2)) is None
    assert by_numbers("7", gpus(0, 1)) is None
    assert by_numbers("GPU-0", gpus(0, 1)) is None


@given(st.text(max_size=40))
def test_any_text_is_numbers_or_is_none(text: str) -> None:
    assert by_numbers(text, gpus(0, 1)) in (None, {"GPU-0"}, {"GPU-1"}, {"GPU-0", "GPU-1"})
    found = by_devices(text, gpus(0, 1))
    assert found is None or found <= {"GPU-0", "GPU-1"}


def at(seconds: float) -> Moment:
    return Moment(1_795_420_800 * NS_PER_S + round(seconds * NS_PER_S), round(seconds * NS_PER_S))


def reading(
    number: int, busy: float | None = 0.0, *processes: tuple[int, int], energy: float | None = None, used: int = 0
) -> GpuReading:
    state = GpuState(uuid=f"GPU-{number}", utilisation_ratio=busy, memory_used_bytes=used, energy_joules=energy)
    return GpuReading(state, processes)


def told(holdings: Holdings, now: Moment) -> dict[tuple[int, str], GpuHolding]:
    return {(one.job_id, one.uuid): one for one in holdings.told(now)}


FOUR = GpuAllocation("s1", 17, frozenset({"GPU-0", "GPU-1"}), "cgroup")


def test_a_gpu_that_is_held_and_does_nothing_is_told_with_how_long() -> None:
    holdings = Holdings()
    for seconds in range(0, 601, 10):
        holdings.update([reading(0, 0.9, (100, 5), used=5), reading(1)], [FOUR], {100: "s1"}, at(seconds))
    found = told(holdings, at(600))
    busy, idle = found[17, "GPU-0"], found[17, "GPU-1"]
    assert (busy.busy_s, busy.seen_s, busy.idle_s, busy.processes) == (pytest.approx(540), 600, 0, 1)
    assert (idle.busy_s, idle.seen_s, idle.idle_s, idle.processes) == (0, 600, 600, 0)
    assert busy.memory_peak_bytes == 5


def test_a_process_outside_its_allocation_is_told_and_not_credited() -> None:
    holdings = Holdings()
    other = GpuAllocation("s2", 18, frozenset({"GPU-2"}), "cgroup")
    outside = holdings.update(
        [reading(0), reading(1), reading(2, 0.5, (200, 1), (100, 1))], [FOUR, other], {100: "s1", 200: "s2"}, at(0)
    )
    assert outside == {"GPU-2": (17,)}
    assert (17, "GPU-2") not in told(holdings, at(0))


def test_where_nothing_says_what_a_job_has_its_processes_do_and_that_is_marked() -> None:
    holdings = Holdings()
    job = GpuAllocation("s1", 17)
    assert holdings.update([reading(0, 0.5, (100, 7)), reading(1)], [job], {100: "s1"}, at(0)) == {}
    assert holdings.update([reading(0, 0.0), reading(1)], [job], {}, at(10)) == {}
    found = told(holdings, at(10))
    assert {key: one.by for key, one in found.items()} == {(17, "GPU-0"): "processes"}
    assert found[17, "GPU-0"].idle_s == 10


def test_two_jobs_on_one_gpu_are_marked_as_sharing_it() -> None:
    holdings = Holdings()
    jobs = [
        GpuAllocation("s1", 17, frozenset({"GPU-0"}), "hook"),
        GpuAllocation("s2", 18, frozenset({"GPU-0"}), "hook"),
    ]
    holdings.update([reading(0, 1.0, (100, 3), (200, 4), used=9)], jobs, {100: "s1", 200: "s2"}, at(0))
    found = told(holdings, at(0))
    assert {one.job_id: (one.is_shared, one.memory_peak_bytes) for one in found.values()} == {
        17: (True, 3),
        18: (True, 4),
    }


def test_energy_is_what_the_counter_grew_by_and_never_falls() -> None:
    holdings = Holdings()
    for seconds, energy in enumerate((1000.0, 1300.0, 50.0, 60.0)):
        holdings.update([reading(0, 1.0, energy=energy), reading(1)], [FOUR], {}, at(10 * seconds))
    assert told(holdings, at(30))[17, "GPU-0"].energy_joules == 310.0


def test_what_a_job_had_is_told_a_few_times_after_its_end() -> None:
    holdings = Holdings()
    holdings.update([reading(0, 1.0), reading(1)], [FOUR], {}, at(0))
    holdings.update([reading(0, 0.0), reading(1)], [], {}, at(10))
    tellings = [told(holdings, at(10 + n)) for n in range(TOLD_AFTER_END + 2)]
    assert all(one.has_ended for one in tellings[0].values())
    assert [len(one) for one in tellings] == [2] * (TOLD_AFTER_END + 1) + [0]


def test_a_time_that_nobody_watched_is_not_counted() -> None:
    holdings = Holdings()
    for seconds in (0, 10, 7200, 7210):
        holdings.update([reading(0, 1.0), reading(1, None)], [FOUR], {}, at(seconds))
    found = told(holdings, at(7210))
    assert found[17, "GPU-0"].seen_s == 20
    assert found[17, "GPU-1"].seen_s == 0
