"""scontrol's text, recorded on 22.05, to records; and values that try to look like keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.slurm import scontrol_text
from testkit.checkout import ROOT
from testkit.slurm_answers import recorded

FIXTURES = ROOT / "tests" / "fixtures/slurm/22.05"


def test_nodes_have_addresses_and_states() -> None:
    nodes = scontrol_text.nodes([(FIXTURES / "scontrol_show_node.txt").read_bytes()]).records
    assert [node.name for node in nodes] == ["d-compute0", "d-compute1", "d-compute2"]
    first = nodes[0]
    assert (first.address, first.host_name, first.state) == ("127.0.0.1", "host1", "IDLE")
    assert (first.cpu_count, first.memory_bytes, first.partitions) == (2, 4096 * 1024**2, ("all", "even"))


def test_a_reason_can_forge_nothing() -> None:
    line = (
        "NodeName=n1 Arch=x86_64 NodeAddr=10.0.0.1 NodeHostName=n1 OS=Linux 6.1 #1 SMP a=b State=DOWN*+DRAIN "
        "RealMemory=10 Partitions=all Reason=NodeAddr=6.6.6.6 State=IDLE broken [root@2026-11-23T08:00:00]"
    )
    (node,) = scontrol_text.nodes([line.encode()]).records
    assert (node.address, node.state, node.state_flags) == ("10.0.0.1", "DOWN", ("DRAIN",))


def test_partitions_have_nodes_limits_and_a_default() -> None:
    text = (FIXTURES / "scontrol_show_partition.txt").read_text().replace("MaxTime=UNLIMITED", "MaxTime=1-02:00:00", 1)
    every, odd, even = scontrol_text.partitions([text.encode()]).records
    assert (every.name, every.is_default, every.time_limit_s) == ("all", True, 26 * 3600)
    assert (odd.nodes, odd.is_default, odd.time_limit_s) == (("d-compute1",), False, None)
    assert even.nodes == ("d-compute0", "d-compute2")


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    scontrol_text.nodes([("NodeName=" + text).encode("utf-8", "replace")])
    scontrol_text.partitions([("PartitionName=p Nodes=" + text).encode("utf-8", "replace")])


def test_a_reason_that_holds_keys_comes_whole() -> None:
    (node,) = scontrol_text.nodes(recorded("odd/scontrol-node-reason-with-keys.txt")).records
    assert node.reason == "cable Port=7 replaced, was State=FAIL; see Version=2 of the log"
    assert (node.state, node.cpu_count, node.address) == ("DOWN", 32, "n02")


def test_what_follows_a_reason_is_no_part_of_it() -> None:
    line = b"NodeName=n1 State=DOWN Reason=a Comment=b [root@2026-01-02T15:02:11] Comment=mine Extra=x\n"
    assert scontrol_text.nodes([line]).records[0].reason == "a Comment=b"
    assert scontrol_text.nodes([b"NodeName=n1 State=DOWN Reason=no stamp State=IDLE"]).records[0].reason == (
        "no stamp State=IDLE"
    )


def test_a_line_ends_at_a_newline_and_nowhere_else() -> None:
    line = "NodeName=n1 NodeAddr=10.0.0.1 Reason=a\u0085b\u2028c\x0bd [root@2026-01-02T15:02:11]\n"
    assert scontrol_text.nodes([line.encode()]).records[0].reason == "a\u0085b\u2028c\x0bd"


def test_the_name_of_the_cluster_is_read_from_the_configuration() -> None:
    assert scontrol_text.cluster_name([b"Configuration data as of x\nClusterName             = hpc\n"]) == "hpc"
    assert scontrol_text.cluster_name([b"slurm_load_ctl_conf error\n"]) is None


def test_a_node_says_what_it_is_made_of_and_who_took_it_out_when() -> None:
    (node,) = scontrol_text.nodes(recorded("odd/scontrol-node-reason-with-keys.txt")).records
    assert (node.reason_by, node.reason_since_s) == ("root", 1_767_366_131)
    first = scontrol_text.nodes([(FIXTURES / "scontrol_show_node.txt").read_bytes()]).records[0]
    assert (first.slurm_version, first.architecture, first.features, first.gres) == ("22.05.8", "x86_64", (), None)
    assert first.operating_system is not None
    assert first.operating_system.startswith("Linux 6.18")
    assert first.boot_s == 1_795_421_267
