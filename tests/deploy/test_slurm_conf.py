"""The texts that a small Slurm is started with, and the private account files."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploy.cgroups import Choice, Kind
from deploy.errors import MachineLacks
from deploy.hardware import NodeShape, parse_node_shape
from deploy.slurm_conf import Node, Settings, is_odd, slurm_conf

from deploy import accounts


def settings(nodes: int, prolog: Path | None = None, extra: str = "") -> Settings:
    return Settings(
        folder=Path("/tmp/slurmlens-d000"),
        host_name="d000",
        cluster="demo",
        nodes=tuple(Node(f"d000-compute{number}", 20000 + number) for number in range(nodes)),
        controller_port=20100,
        database_port=20101,
        shape=NodeShape(cores=2, threads_per_core=1, memory_mib=4096),
        cgroup=Choice(Kind.NONE, "a test"),
        prolog=prolog,
        extra=extra,
    )


@pytest.mark.parametrize(
    ("name", "odd"), [("c0", False), ("c1", True), ("7f3a", False), ("7f3b", True), ("login", False)]
)
def test_odd_and_even_go_by_the_last_hexadecimal_digit(name: str, odd: bool) -> None:
    assert is_odd(name) is odd


def test_a_partition_without_nodes_is_left_out() -> None:
    assert "PartitionName=odd" not in slurm_conf(settings(nodes=1))
    assert "PartitionName=odd Nodes=d000-compute1 " in slurm_conf(settings(nodes=2))


def test_hooks_and_further_lines_appear_only_when_asked_for() -> None:
    assert "Prolog=/" not in slurm_conf(settings(nodes=1))
    text = slurm_conf(settings(nodes=1, prolog=Path("/opt/prolog"), extra="PrologEpilogTimeout=10"))
    assert "\nProlog=/opt/prolog\n" in text
    assert "\nPrologEpilogTimeout=10\n" in text


def test_the_node_takes_no_more_cores_than_the_machine_has() -> None:
    small = parse_node_shape(
        "NodeName=vm CPUs=2 Boards=1 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=900"
    )
    large = parse_node_shape(
        "NodeName=big CPUs=256 Boards=1 SocketsPerBoard=2 CoresPerSocket=64 ThreadsPerCore=2 RealMemory=512000"
    )
    assert small == NodeShape(cores=2, threads_per_core=1, memory_mib=900)
    assert large == NodeShape(cores=4, threads_per_core=2, memory_mib=4096)


def test_a_slurmd_that_tells_nothing_about_the_machine_is_an_error_that_says_what_it_said() -> None:
    with pytest.raises(MachineLacks, match="cannot open"):
        parse_node_shape("slurmd: cannot open /proc/cpuinfo")


def test_demo_users_replace_entries_of_the_same_name_or_number() -> None:
    root = "root:x:0:0:root:/root:/bin/bash"
    original = f"{root}\nalice:x:1000:1000::/home/alice:/bin/sh\nold:x:4001:4001::/:/bin/sh\n"
    lines = accounts.passwd(original, "/w/home").splitlines()
    names = [line.split(":")[0] for line in lines]
    assert lines[0] == root
    assert "alice:x:3001:3001:alice:/w/home/alice:/bin/bash" in lines
    assert "old" not in names
    assert len(names) == len(set(names))


def test_groups_have_their_members_as_supplementary_ones() -> None:
    group = accounts.group("root:x:0:\nusers:x:100:\n")
    assert "clusers:x:3000:alice,bob,carol,dave,eve\n" in group
    assert "guests:x:4000:john,jane\n" in group
    assert group.startswith("root:x:0:\nusers:x:100:\n")
