"""Collectors fail alone, are stretched when they cost too much, and never invent a figure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.config.collectors import CollectorsConfig
from slurmlens.node.collectors.collecting import Collecting
from slurmlens.node.collectors.cost import LONGEST_STRETCH, REST_ROUNDS, CollectorCost
from slurmlens.node.collectors.files import KeptFiles
from slurmlens.node.collectors.filesystem import mounts
from slurmlens.node.collectors.look import MachineLook, Sample
from slurmlens.node.collectors.rates import Rates
from slurmlens.node.collectors.table import COLLECTORS
from testkit.machines import FOLDER, unpack

NETWORK = next(row for row in COLLECTORS if row.name == "network")
NS_PER_S = 1_000_000_000
MINUTE_NS = 60 * NS_PER_S


class TextFiles(KeptFiles):
    """Every file of the machine says the same; folders have some names."""

    def __init__(self, text: str, names: list[str]) -> None:
        super().__init__("/nowhere")
        self._text = text
        self._names = names

    def text(self, path: str) -> str | None:
        return self._text

    def names(self, folder: str) -> list[str]:
        return self._names

    def exists(self, path: str) -> bool:
        return False


def real_lines() -> list[str]:
    """Lines that kernels write, of all fixtures."""
    return sorted({line for path in FOLDER.glob("*.txt") for line in path.read_text().splitlines() if line})


def texts() -> st.SearchStrategy[str]:
    """Texts that are nearly what a kernel writes, and texts that are nothing of the kind."""
    lines = st.lists(st.one_of(st.sampled_from(real_lines()), st.text(max_size=40)), max_size=12)
    return st.one_of(st.text(max_size=200), lines.map("\n".join))


def read(collector: str, look: MachineLook) -> list[Sample]:
    import importlib

    return list(importlib.import_module(f"slurmlens.node.collectors.{collector}").read(look))


@pytest.mark.parametrize("collector", [row.name for row in COLLECTORS if row.name != "clock"])
@settings(max_examples=60)
@given(
    text=texts(),
    names=st.lists(
        st.sampled_from(["cpu0", "node0", "mc0", "temp1_input", "intel-rapl:0", "1", "a b", "user-1000.slice"])
    ),
)
def test_a_parser_tells_samples_or_that_the_text_is_none(collector: str, text: str, names: list[str]) -> None:
    try:
        told = read(collector, MachineLook(TextFiles(text, names)))
    except (ValueError, LookupError):
        return
    assert all(isinstance(one.value, int | float) for one in told)
    Rates().figures(collector, told, 1)


@given(st.lists(st.integers(min_value=0, max_value=2**64), min_size=2, max_size=12))
def test_a_rate_is_never_negative_whatever_a_counter_does(values: list[int]) -> None:
    rates = Rates()
    for number, value in enumerate(values):
        found = rates.figures("disk", [Sample("read_bytes_per_second", "sda", value)], number * MINUTE_NS)
        assert all(one.value >= 0 and math.isfinite(one.value) for one in found)


def power(*energies: float, wraps_at: float = 262_143_328_850) -> list[float | None]:
    """Watts at each of some readings a minute apart."""
    rates = Rates()
    found = []
    for number, energy in enumerate(energies):
        told = rates.figures("rapl", [Sample("power_watts", "package-0", energy, wraps_at)], number * MINUTE_NS)
        found.append(told[0].value if told else None)
    return found


def test_energy_that_wraps_goes_on_and_one_that_begins_anew_makes_no_rate_once() -> None:
    assert power(262_143_000_000, 5_999_671_150)[1] == pytest.approx(100.0, rel=1e-3)
    assert power(100_000_000_000, 0, 6_000_000_000) == [None, None, 100.0]


def test_a_counter_that_falls_is_a_driver_that_began_anew() -> None:
    rates = Rates()
    told = [
        rates.figures("network", [Sample("received_bytes_per_second", "eth0", value)], number * MINUTE_NS)
        for number, value in enumerate((6000, 12_000, 600, 6600))
    ]
    assert [[one.value for one in figures] for figures in told] == [[], [100.0], [], [100.0]]
    assert rates.falls == 1


def test_an_interface_under_a_new_name_begins_anew() -> None:
    rates = Rates()
    rates.figures("network", [Sample("received_bytes_per_second", "eth0", 9000)], 0)
    assert rates.figures("network", [Sample("received_bytes_per_second", "lan0", 9600)], MINUTE_NS) == []


def test_two_interfaces_that_exchange_their_names_make_no_rate_of_each_others_counters(tmp_path: Path) -> None:
    net = tmp_path / "sys/class/net"
    for name, speed in (("eth0", 1000), ("eth1", 25_000)):
        (net / name).mkdir(parents=True)
        (net / name / "speed").write_text(f"{speed}\n")
    (tmp_path / "proc/net").mkdir(parents=True)
    collecting = Collecting(CollectorsConfig(), KeptFiles(str(tmp_path)), rows=[NETWORK])

    def told(minute: int, **received: int) -> dict[tuple[str, str], float]:
        lines = [f"{name}: {count} {'0 ' * 15}" for name, count in received.items()]
        (tmp_path / "proc/net/dev").write_text("\n".join(["of", "what", *lines]))
        return {(one.of, one.metric.name): one.value for one in collecting.round(minute * MINUTE_NS, {})}

    told(0, eth0=1000, eth1=10**12)
    assert told(1, eth0=7000, eth1=10**12)["eth0", "received_bytes_per_second"] == 100.0
    (net / "eth0").rename(net / "aside")
    (net / "eth1").rename(net / "eth0")
    (net / "aside").rename(net / "eth1")
    assert told(2, eth0=10**12, eth1=7000) == {}
    after = told(3, eth0=10**12 + 6000, eth1=7000)
    assert after["eth0", "link_bits_per_second"] == 25e9
    told_next = told(4, eth0=10**12 + 12_000, eth1=7000)
    assert told_next["eth0", "received_bytes_per_second"] == 100.0
    collecting.close()


def test_a_local_file_system_below_a_networks_is_asked_where_that_may_hang() -> None:
    table = (
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw",
        "21 20 0:9 / /home rw - nfs4 a:/b rw",
        "22 21 8:2 / /home/scratch/local rw - xfs /dev/sdb rw",
        "23 20 8:3 / /homes rw - xfs /dev/sdc rw",
    )
    assert {one.point: one.is_remote for one in mounts("\n".join(table))} == {
        "/": False,
        "/home": True,
        "/home/scratch/local": True,
        "/homes": False,
    }


class Clock:
    """CPU time of the collectors' thread, by hand."""

    def __init__(self, step_ns: int) -> None:
        self.now_ns = 0
        self.step_ns = step_ns

    def __call__(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


def rounds(collecting: Collecting, count: int) -> list[set[str]]:
    """Which collectors told something in each round."""
    return [{one.metric.collector for one in collecting.round(n * MINUTE_NS, {})} for n in range(count)]


def test_a_collector_that_cannot_read_spoils_its_own_figures_alone(tmp_path: Path) -> None:
    root = unpack("gpu-node", tmp_path, change={"proc/loadavg": "none of your business\n"})
    collecting = Collecting(CollectorsConfig(), KeptFiles(str(root)))
    told = rounds(collecting, 6)
    assert all("load" not in one and {"cpu", "disk", "network"} <= one for one in told[1:])
    assert collecting.costs["load"].off == "failures"
    assert "ValueError" in collecting.costs["load"].last_error
    assert {name for name, cost in collecting.costs.items() if cost.failures} == {"load"}
    collecting.close()


def test_a_costly_collector_is_stretched_and_then_switched_off() -> None:
    cost = CollectorCost()
    cost.spent(60_000_000, 60, 0.0005, 0)
    assert (cost.stretch, cost.is_due(1), cost.is_due(2)) == (2, False, True)
    for number in (10, 30, 50):
        cost.spent(900_000_000, 60, 0.0005, number)
    assert cost.stretch == LONGEST_STRETCH
    assert cost.off == "cost"
    assert not cost.is_due(50 + REST_ROUNDS - 1)
    assert cost.is_due(50 + REST_ROUNDS)
    assert cost.off == ""


def test_cheap_collectors_are_read_in_every_round(tmp_path: Path) -> None:
    collecting = Collecting(CollectorsConfig(), KeptFiles(str(unpack("gpu-node", tmp_path))), Clock(1_000_000))
    assert all("cpu" in told for told in rounds(collecting, 4))
    collecting.close()


def test_five_hundred_disks_are_told_up_to_the_bound_and_the_rest_is_counted(tmp_path: Path) -> None:
    line = "   8       0 sd{0} 1000 5 80000 5000 2000 6 160000 9000 0 7000 14000\n"
    changes = {"proc/diskstats": "".join(line.format(number) for number in range(500))}
    root = unpack("gpu-node", tmp_path, change=changes)
    for number in range(500):
        (root / f"sys/block/sd{number}").mkdir()
    collecting = Collecting(CollectorsConfig(devices_max=64), KeptFiles(str(root)))
    collecting.round(0, {})
    figures = collecting.round(MINUTE_NS, {})
    assert len({one.of for one in figures if one.metric.collector == "disk"}) == 64
    assert collecting.left_out["disk"] == 500 - 64
    collecting.close()


def test_collectors_can_be_left_out_and_what_a_machine_lacks_is_not_loaded(tmp_path: Path) -> None:
    root = unpack("old-kernel", tmp_path)
    collecting = Collecting(CollectorsConfig(without=("tcp",)), KeptFiles(str(root)))
    collecting.round(0, {})
    assert {"tcp", "pressure", "rapl", "lustre", "numa"}.isdisjoint(collecting.costs)
    collecting.close()


def test_files_are_opened_once_and_given_back_when_nobody_asks(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1\n")
    (tmp_path / "two").write_text("2\n")
    files = KeptFiles(str(tmp_path))
    assert (files.number("one"), files.number("two"), files.number("three")) == (1, 2, None)
    files.sweep()
    (tmp_path / "one").write_text("11\n")
    assert files.number("one") == 11
    files.sweep()
    assert list(files._open) == ["one"]
    files.close()


@pytest.mark.parametrize("text", ["N/A\n", "", "4.5\n", "-\n", "0x\n"])
def test_a_sensor_that_says_a_text_says_no_number(text: str, tmp_path: Path) -> None:
    (tmp_path / "sensor").write_text(text)
    assert KeptFiles(str(tmp_path)).number("sensor") is None


def test_each_file_system_is_told_once_and_the_networks_are_marked() -> None:
    found = mounts((FOLDER / "gpu-node.txt").read_text())
    assert [(one.point, one.is_remote) for one in found] == [
        ("/", False),
        ("/dev/shm", False),
        ("/home", True),
        ("/lustre/work", True),
        ("/scratch local", False),
    ]
    assert [one.point for one in found if one.is_read_only] == ["/scratch local"]


@given(st.text(max_size=300))
def test_any_text_is_a_list_of_mounts(text: str) -> None:
    assert isinstance(mounts(text), list)


def test_an_endless_file_ends(tmp_path: Path) -> None:
    def endless(_: MachineLook) -> Iterator[Sample]:
        while True:
            yield Sample("read_bytes_per_second", "sda", 1)

    collecting = Collecting(CollectorsConfig(), KeptFiles(str(tmp_path)), rows=())
    assert sum(1 for _ in collecting._bounded("disk", endless(MachineLook(KeptFiles(str(tmp_path)))))) == 20_000
