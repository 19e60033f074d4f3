"""The names of 2015 in carbon, byte for byte as boards of then ask for them."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.wire import series_2015


def text(points: list[series_2015.Point]) -> list[str]:
    return [line.decode() for line in series_2015.lines(points, 1_448_000_000)]


def test_an_interface_has_bytes_and_bits_both_ways() -> None:
    assert text(series_2015.network("compute0", "eth0", 1000.0, 2.5)) == [
        "servers.compute0.network.eth0.rx_byte 1000 1448000000\n",
        "servers.compute0.network.eth0.rx_bit 8000 1448000000\n",
        "servers.compute0.network.eth0.tx_byte 2.5 1448000000\n",
        "servers.compute0.network.eth0.tx_bit 20 1448000000\n",
    ]


def test_the_node_has_its_context_switches() -> None:
    assert text([series_2015.context_switches("compute0", 4711.0)]) == [
        "servers.compute0.proc.ctxt 4711 1448000000\n",
    ]


def test_processes_are_counted_by_user_and_by_state() -> None:
    assert text(
        [
            series_2015.processes("compute", "compute0", "user", "alice", 3),
            series_2015.processes("notype", "compute0", "state", "disk-sleep", 1),
        ]
    ) == [
        "psutil.compute.compute0.user.alice 3 1448000000\n",
        "psutil.notype.compute0.state.disk-sleep 1 1448000000\n",
    ]


def test_a_program_has_its_six_figures() -> None:
    figures = [(name, index) for index, name in enumerate(series_2015.PROGRAM_FIGURES)]
    assert text(series_2015.program("compute", "compute0", "alice", "gemm", figures)) == [
        "psutil.compute.compute0.alice.gemm.num_threads 0 1448000000\n",
        "psutil.compute.compute0.alice.gemm.cpu_user 1 1448000000\n",
        "psutil.compute.compute0.alice.gemm.cpu_system 2 1448000000\n",
        "psutil.compute.compute0.alice.gemm.ctx_sw_vol 3 1448000000\n",
        "psutil.compute.compute0.alice.gemm.ctx_sw_invol 4 1448000000\n",
        "psutil.compute.compute0.alice.gemm.ctx_fds 5 1448000000\n",
    ]


def test_the_queue_is_told_by_user_and_group_and_in_all() -> None:
    assert text(series_2015.queue(("users", "alice"), "RUNNING", 2, 3, 4)) == [
        "slurm.stats.users.alice.RUNNING.jobs 2 1448000000\n",
        "slurm.stats.users.alice.RUNNING.nodes 3 1448000000\n",
        "slurm.stats.users.alice.RUNNING.cpus 4 1448000000\n",
    ]
    assert text(series_2015.queue(("groups", "clusers"), "PENDING", 1, 1, 1))[0] == (
        "slurm.stats.groups.clusers.PENDING.jobs 1 1448000000\n"
    )
    assert text(series_2015.queue(("total",), "PENDING", 1, 1, 1))[0] == (
        "slurm.stats.total.PENDING.jobs 1 1448000000\n"
    )


def test_what_is_no_number_makes_no_line() -> None:
    assert text([(("servers", "n0", "proc", "ctxt"), math.nan)]) == []


@given(name=st.text(), host=st.text())
def test_no_name_adds_a_level_or_a_line(name: str, host: str) -> None:
    (line,) = text([series_2015.processes("compute", host, "user", name, 1)])
    path, value, time_s = line.removesuffix("\n").split(" ")
    assert (path.count("."), value, time_s) == (4, "1", "1448000000")
    assert "\n" not in path
