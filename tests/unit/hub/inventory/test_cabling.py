"""The network as its tools tell it: InfiniBand by ibnetdiscover, Ethernet by LLDP; what cannot be is said."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.hub.inventory.collectors.ibnetdiscover import fabric_links, tell_fabric, tell_fabric_file
from slurmlens.hub.inventory.collectors.lldp import LldpNeighbour, lldp_neighbours, read_lldp_folder, tell_lldp
from slurmlens.hub.inventory.entities import Telling
from testkit.checkout import ROOT

NETWORK = ROOT / "tests" / "fixtures" / "network"
NODES = ("n1", "n2")


def pairs(told: Telling) -> set[tuple[str, str, str]]:
    return {(one.entity.name, one.relation, one.other.name) for one in told.relations}


def attributes(told: Telling, kind: str, name: str) -> dict[str, object]:
    return {one.attribute: one.value for one in told.facts if (one.entity.kind, one.entity.name) == (kind, name)}


@pytest.mark.parametrize("name", ["ibnetdiscover.txt", "ibnetdiscover-p.txt"])
def test_both_forms_of_ibnetdiscover_tell_the_same_fabric(name: str) -> None:
    told = tell_fabric_file(NETWORK / name, NODES, 5)
    assert pairs(told) == {
        ("leaf1", "contains", "n1"),
        ("leaf1", "contains", "n2"),
        ("leaf1", "linked_to", "spine1"),
    }
    assert attributes(told, "switch", "leaf1")["guid"] == "0002c90200410001"
    assert attributes(told, "port", "leaf1 port 1") == {"exists": True, "speed": "4xEDR", "peer": "n1 HCA-1 port 1"}
    assert attributes(told, "port", "leaf1 port 3")["speed"] == "1xSDR"
    assert told.problems == ("the fabric has adapters of no node of the cluster: storage1 HCA-1",)
    assert told.is_whole


def test_switches_of_one_description_are_told_apart_by_their_guids() -> None:
    text = (NETWORK / "ibnetdiscover-p.txt").read_text().replace("spine1", "leaf1")
    told = tell_fabric(fabric_links(text, "f"), NODES, 5)
    switches = {one.entity.name for one in told.facts if one.entity.kind == "switch"}
    assert switches == {"leaf1 0002c90200410001", "leaf1 0002c90200410002"}


def test_a_fabric_of_nothing_ends_nothing_and_a_line_of_neither_form_is_named(tmp_path: Path) -> None:
    assert not tell_fabric((), NODES, 5).is_whole
    path = tmp_path / "fabric.txt"
    path.write_text("\n\nibnetdiscover: iberror: failed: discover failed\n")
    with pytest.raises(DecodeError, match=r"fabric.txt, line 3: 'ibnetdiscover: iberror"):
        tell_fabric_file(path, NODES, 5)
    with pytest.raises(DecodeError, match="No such file"):
        tell_fabric_file(tmp_path / "none.txt", NODES, 5)


@given(st.text(max_size=200))
def test_any_text_is_a_fabric_or_an_error_of_ours(text: str) -> None:
    with suppress(DecodeError):
        tell_fabric(fabric_links(text, "f"), NODES, 5)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("lldpctl-json0", {("eno1", "tor1", "Ethernet1/5")}),
        ("lldpctl-json", {("eno1", "tor1", "Ethernet1/6")}),
        ("lldpctl-json-two", {("eno1", "tor1", "Ethernet1/7"), ("eno2", "00:1b:21:00:00:02", "e2")}),
        ("networkctl", {("eno1", "tor1", "Ethernet1/8")}),
    ],
)
def test_all_forms_of_lldp_are_read_and_stale_neighbours_left_out(name: str, wanted: set[tuple[str, str, str]]) -> None:
    found = lldp_neighbours((NETWORK / f"{name}.json").read_bytes(), name)
    assert {tuple(one) for one in found} == wanted


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.integers(0, 9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["lldp", "interface", "name", "chassis", "port", "id", "value", "age", "Neighbors"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_a_list_of_neighbours_or_an_error_of_ours(told: object) -> None:
    for document in (told, {"lldp": told}, {"Neighbors": told}):
        with suppress(DecodeError):
            found = lldp_neighbours(msgspec.json.encode(document), "n1.json")
            assert all(isinstance(one, LldpNeighbour) for one in found)


def test_a_folder_of_nodes_is_the_ethernet_and_a_bad_file_spoils_itself_alone(tmp_path: Path) -> None:
    shutil.copy(NETWORK / "lldpctl-json0.json", tmp_path / "n1.json")
    shutil.copy(NETWORK / "networkctl.json", tmp_path / "n2.json")
    shutil.copy(NETWORK / "networkctl.json", tmp_path / "stranger.json")
    told, problems = read_lldp_folder(tmp_path)
    telling = tell_lldp(told, NODES, problems, 5)
    assert pairs(telling) == {("tor1", "contains", "n1"), ("tor1", "contains", "n2")}
    assert attributes(telling, "port", "tor1 port Ethernet1/5")["peer"] == "n1 eno1"
    assert telling.is_whole
    assert telling.problems == ("files of no node of the cluster: stranger",)
    (tmp_path / "n2.json").write_text("{")
    told, problems = read_lldp_folder(tmp_path)
    telling = tell_lldp(told, NODES, problems, 5)
    assert pairs(telling) == {("tor1", "contains", "n1")}
    assert not telling.is_whole, "what n2 told before stays"
    assert "n2.json is no JSON" in telling.problems[-1]
    with pytest.raises(DecodeError, match="No such file"):
        read_lldp_folder(tmp_path / "none")
