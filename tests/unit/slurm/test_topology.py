"""Slurm's topology, from its command and from its two files, to switches; and what a file is refused for."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.slurm.records import SwitchRecord
from slurmlens.slurm.topology_text import shown_topology, topology_file
from slurmlens.slurm.topology_yaml import topology_yaml

TREE = """
# two leaves below a core
SwitchName=core Switches=leaf[1-2]
SwitchName=leaf1 Nodes=n[1-2]   # with LinkSpeed=100 in a comment
switchname=leaf2 \\
    nodes=n[3-4] LinkSpeed=50
"""
YAML = """
- topology: tree1
  cluster_default: true
  tree:
    switches:
      - switch: core
        children: leaf[1-2]
      - switch: leaf1
        nodes: n[1-2]
- topology: blocks
  block:
    block_sizes: [2, 4]
    blocks:
      - {block: b1, nodes: "n[1-2]"}
- topology: plain
  flat: true
- topology: rings
  ring: {rings: [{ring: r1, nodes: n1}]}
"""


def test_what_scontrol_shows_becomes_switches_with_their_levels() -> None:
    shown = (
        b"SwitchName=core Level=1 LinkSpeed=1 Nodes=n[1-4] Switches=leaf[1-2]\n"
        b"SwitchName=leaf1 Level=0 LinkSpeed=1 Nodes=n[1-2]\n"
        b"BlockName=b1 BlockIndex=0 Nodes=n3 BlockSize=2\n"
    )
    core, leaf, block = shown_topology([shown]).records
    assert (core.name, core.level, core.switches) == ("core", 1, ("leaf1", "leaf2"))
    assert (leaf.nodes, leaf.level) == (("n1", "n2"), 0)
    assert (block.name, block.nodes) == ("b1", ("n3",))


def test_an_answer_that_knows_no_topology_has_no_switches() -> None:
    assert shown_topology([b"No topology information available\n"]).records == ()
    assert shown_topology([]).records == ()


def test_a_line_that_cannot_be_read_spoils_no_other() -> None:
    answer = shown_topology([b"SwitchName=a Nodes=n[1-\nSwitchName=b Nodes=n1\n"])
    assert [one.name for one in answer.records] == ["b"]
    assert answer.refused == 1


def test_a_topology_conf_has_comments_and_lines_that_go_on() -> None:
    core, first, second = topology_file(TREE, "topology.conf")
    assert core == SwitchRecord(name="core", switches=("leaf1", "leaf2"))
    assert first.nodes == ("n1", "n2")
    assert second == SwitchRecord(name="leaf2", nodes=("n3", "n4"))


def test_a_topology_conf_of_blocks_has_their_sizes_beside() -> None:
    (block,) = topology_file("BlockName=b1 Nodes=n[1-2]\nBlockSizes=2\n", "topology.conf")
    assert (block.name, block.nodes) == ("b1", ("n1", "n2"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SwitchName=a Nodes=n1\nNodes=n2\n", "topology.conf, line 2: neither"),
        ("SwitchName=a Nodes=n[1-\n", "topology.conf, line 1: "),
        ("SwitchName= Nodes=n1", "line 1: a switch without a name"),
    ],
)
def test_a_line_of_a_topology_conf_that_is_of_no_use_is_named(text: str, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        topology_file(text, "topology.conf")


def test_a_topology_yaml_has_several_topologies() -> None:
    switches = topology_yaml(YAML, "topology.yaml")
    assert [(one.topology, one.name) for one in switches] == [
        ("tree1", "core"),
        ("tree1", "leaf1"),
        ("blocks", "b1"),
        ("rings", "r1"),
    ]
    assert switches[0].switches == ("leaf1", "leaf2")
    assert switches[2].nodes == ("n1", "n2")
    assert topology_yaml("", "topology.yaml") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is no YAML"),
        ("tree: 1", "a list of topologies"),
        ("- tree: {switches: []}", "without its name"),
        ("- {topology: t, web: {}}", "'web' is no kind"),
        ("- {topology: t, tree: {}}", "no list 'switches'"),
        ("- {topology: t, tree: {switches: [{nodes: n1}]}}", "a switch without its name"),
        ("- {topology: t, tree: {switches: [{switch: s, nodes: 'n[1-'}]}}", "switch 's'"),
        ("- {topology: t, tree: {switches: [{switch: s, nodes: [n1]}]}}", "is no host list"),
        ("- !!python/object/apply:os.system [true]", "is no YAML"),
    ],
)
def test_what_is_wrong_with_a_topology_yaml_is_said_with_its_place(text: str, words: str) -> None:
    with pytest.raises(DecodeError, match=words) as caught:
        topology_yaml(text, "topology.yaml")
    assert "topology.yaml" in str(caught.value)


@given(st.text(max_size=200))
def test_no_topology_does_more_than_be_refused(text: str) -> None:
    shown_topology([("SwitchName=" + text).encode("utf-8", "replace")])
    for read in (topology_file, topology_yaml):
        with contextlib.suppress(DecodeError):
            read(text, "file")
