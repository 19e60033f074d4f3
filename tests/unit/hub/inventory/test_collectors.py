"""From the scheduler's records to facts and relations; what is odd in them is left out and said."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.hub.inventory.collectors.account_people import tell_account_people
from slurmlens.hub.inventory.collectors.job_owners import owners_of, tell_owners
from slurmlens.hub.inventory.collectors.nodes import tell_nodes
from slurmlens.hub.inventory.collectors.partitions import tell_partitions
from slurmlens.hub.inventory.collectors.topology import read_topology_file, tell_topology
from slurmlens.hub.inventory.collectors.user_database import tell_groups
from slurmlens.hub.inventory.entities import Telling
from slurmlens.slurm import json_records, scontrol_text
from slurmlens.slurm.associations import AccountPerson
from slurmlens.slurm.records import Decoded, JobRecord, JobState, NodeRecord, RecordSource, SwitchRecord
from testkit.slurm_answers import recorded


def attributes(told: Telling, of: str) -> dict[str, object]:
    return {one.attribute: one.value for one in told.facts if f"{one.entity.kind} {one.entity.name}" == of}


def pairs(told: Telling) -> set[tuple[str, str, str]]:
    return {(one.entity.name, one.relation, one.other.name) for one in told.relations}


@pytest.mark.parametrize("release", ["22.05", "23.02"])
def test_recorded_nodes_become_facts_with_their_partitions(release: str) -> None:
    told = tell_nodes(scontrol_text.nodes(recorded(f"{release}/scontrol_show_node.txt")), 5)
    assert told.is_whole
    names = {one.entity.name for one in told.facts}
    first = min(names)
    shown = attributes(told, f"node {first}")
    assert (shown["exists"], shown["state"], shown["architecture"]) == (True, "IDLE", "x86_64")
    assert ("all", "contains", first) in pairs(told)


def test_text_and_json_of_one_moment_tell_the_same() -> None:
    text = tell_nodes(scontrol_text.nodes(recorded("23.02/scontrol_show_node.txt")), 5)
    json = tell_nodes(json_records.nodes(recorded("23.02/scontrol_show_nodes.json")), 5)
    assert pairs(text) == pairs(json)
    for name in sorted({one.entity.name for one in text.facts}):
        said, written = attributes(text, f"node {name}"), attributes(json, f"node {name}")
        # 23.02 writes ALLOCATED into its JSON for a node that its text calls MIXED
        assert {**said, "state": None} == {**written, "state": None}


def test_a_state_is_its_base_and_its_flags_by_name() -> None:
    def state(base: str | None, *flags: str) -> object:
        told = tell_nodes(Decoded((NodeRecord(name="n1", state=base, state_flags=flags),)), 5)
        return attributes(told, "node n1").get("state")

    assert state("IDLE") == "IDLE"
    assert state("MIXED", "COMPLETING") == "MIXED"
    assert state("DOWN", "NOT_RESPONDING", "DRAIN") == "DOWN+DRAIN+NOT_RESPONDING"
    assert state(None) is None


def test_a_drained_node_is_so_since_its_reason_was_given() -> None:
    record = NodeRecord(
        name="n1", state="IDLE", state_flags=("DRAIN",), reason="cable", reason_by="root", reason_since_s=7
    )
    since = {one.attribute: one.since_ns for one in tell_nodes(Decoded((record,)), 10**12).facts}
    assert (since["state"], since["reason"], since["reason_by"]) == (7 * 10**9,) * 3
    back = NodeRecord(name="n1", state="IDLE", reason="cable", reason_since_s=7)
    assert {one.since_ns for one in tell_nodes(Decoded((back,)), 10**12).facts if one.attribute == "state"} == {None}


@pytest.mark.parametrize(
    "answer",
    [
        Decoded((), 0),
        Decoded((NodeRecord(name="n1"),), 1),
        Decoded((NodeRecord(name="n1"),), 0, {"node.partitions": 1}),
    ],
)
def test_half_an_answer_is_not_whole(answer: Decoded[NodeRecord]) -> None:
    assert not tell_nodes(answer, 5).is_whole


def test_recorded_partitions_belong_to_the_cluster() -> None:
    told = tell_partitions(scontrol_text.partitions(recorded("22.05/scontrol_show_partition.txt")), "demo", 5)
    assert told.is_whole
    assert pairs(told) == {("demo", "contains", name) for name in ("all", "odd", "even")}
    assert attributes(told, "partition all")["is_default"] is True
    assert "is_default" not in attributes(told, "partition odd")


def test_jobs_say_who_there_is() -> None:
    def job(number: int, **fields: object) -> JobRecord:
        return JobRecord(job_id=number, state=JobState.RUNNING, source=RecordSource.QUEUE, **fields)  # type: ignore[arg-type]

    jobs = [
        job(1, user="alice", user_id=3001, group="staff", group_id=100, account="acct1", qos="normal"),
        job(2, user="alice", user_id=3001, group="staff", group_id=100, account="acct1", qos="normal"),
        job(3, user="alice", user_id=3001, group="staff", group_id=100, account="acct2"),
        job(4),
    ]
    told = tell_owners(owners_of(jobs), 5)
    assert not told.is_whole
    assert pairs(told) == {
        ("alice", "member_of", "staff"),
        ("alice", "charges", "acct1"),
        ("alice", "charges", "acct2"),
    }
    assert attributes(told, "user alice") == {"exists": True, "user_id": 3001}
    assert attributes(told, "qos normal") == {"exists": True}


def test_the_machine_tells_the_groups_of_users_that_it_knows() -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    (told,) = tell_groups([me, "nobody-has-this-name", "n\0l"], 5)
    assert told.subject is not None
    assert told.subject.name == me
    assert told.is_whole
    assert {one.relation for one in told.relations} == {"member_of"}


TREE = (
    SwitchRecord(name="core", switches=("leaf1", "leaf2")),
    SwitchRecord(name="leaf1", nodes=("n1", "n2"), level=0),
    SwitchRecord(name="leaf2", nodes=("n3",)),
)


def test_a_topology_is_switches_that_contain_switches_and_nodes() -> None:
    told = tell_topology(TREE, {"n1", "n2", "n3"}, 5)
    assert told.problems == ()
    assert pairs(told) == {
        ("core", "contains", "leaf1"),
        ("core", "contains", "leaf2"),
        ("leaf1", "contains", "n1"),
        ("leaf1", "contains", "n2"),
        ("leaf2", "contains", "n3"),
    }
    assert attributes(told, "switch leaf1") == {"exists": True, "level": 0}


def test_nodes_that_slurm_lists_with_each_switch_above_them_stand_below_the_lowest_alone() -> None:
    shown = (
        SwitchRecord(name="core", level=2, nodes=("n1", "n2", "login"), switches=("row",)),
        SwitchRecord(name="row", level=1, nodes=("n1", "n2"), switches=("leaf",)),
        SwitchRecord(name="leaf", level=0, nodes=("n1", "n2")),
    )
    assert pairs(tell_topology(shown, None, 5)) == {
        ("core", "contains", "row"),
        ("core", "contains", "login"),
        ("row", "contains", "leaf"),
        ("leaf", "contains", "n1"),
        ("leaf", "contains", "n2"),
    }


def test_nodes_and_switches_that_nobody_knows_are_left_out_and_named() -> None:
    told = tell_topology((SwitchRecord(name="s1", nodes=("n1", "gone"), switches=("s9",)),), {"n1"}, 5)
    assert pairs(told) == {("s1", "contains", "n1")}
    nodes, switches = told.problems
    assert nodes.endswith("does not have: gone")
    assert switches.endswith("does not describe: s9")


def test_a_loop_is_cut_and_said_and_the_rest_stands() -> None:
    loop = (
        SwitchRecord(name="a", switches=("b",)),
        SwitchRecord(name="b", switches=("c",), nodes=("n1",)),
        SwitchRecord(name="c", switches=("a", "c")),
    )
    told = tell_topology(loop, None, 5)
    assert pairs(told) == {("a", "contains", "b"), ("b", "contains", "c"), ("b", "contains", "n1")}
    (problem,) = told.problems
    assert "loop" in problem
    assert "c and a" in problem


def test_one_name_in_two_topologies_is_two_switches() -> None:
    two = (
        SwitchRecord(name="s", nodes=("n1",), topology="east"),
        SwitchRecord(name="s", nodes=("n2",), topology="west"),
        SwitchRecord(name="core", switches=("s",), topology="west"),
    )
    assert pairs(tell_topology(two, None, 5)) == {
        ("east:s", "contains", "n1"),
        ("west:s", "contains", "n2"),
        ("core", "contains", "west:s"),
    }


NAMES = st.sampled_from(["a", "b", "c", "d"])
SWITCHES = st.lists(
    st.builds(lambda name, below: SwitchRecord(name=name, switches=tuple(below)), NAMES, st.lists(NAMES, max_size=3)),
    max_size=5,
)


@given(SWITCHES)
def test_whatever_a_topology_says_no_switch_stands_below_itself(switches: list[SwitchRecord]) -> None:
    below: dict[str, set[str]] = {}
    for name, _, other in pairs(tell_topology(switches, None, 5)):
        below.setdefault(name, set()).add(other)
    for name in below:
        seen: set[str] = set()
        left = set(below[name])
        while left:
            one = left.pop()
            assert one != name
            seen.add(one)
            left |= below.get(one, set()) - seen


def test_a_topology_file_is_read_by_its_ending(tmp_path: Path) -> None:
    text, yaml = tmp_path / "topology.conf", tmp_path / "topology.yaml"
    text.write_text("SwitchName=s Nodes=n1\n")
    yaml.write_text("- {topology: t, tree: {switches: [{switch: s, nodes: n1}]}}")
    assert read_topology_file(text)[0].nodes == read_topology_file(yaml)[0].nodes == ("n1",)
    with pytest.raises(DecodeError, match="No such file"):
        read_topology_file(tmp_path / "missing.conf")
    with pytest.raises(DecodeError, match="directory"):
        read_topology_file(tmp_path)


def test_slurmdbd_says_who_charges_and_who_coordinates_an_account() -> None:
    told = tell_account_people([AccountPerson("alice", "bio", False), AccountPerson("carol", "bio", True)], 5)
    assert told.is_whole
    assert pairs(told) == {("alice", "charges", "bio"), ("carol", "coordinates", "bio")}
    assert attributes(told, "account bio") == {"exists": True}
    assert not tell_account_people([], 5).is_whole
