"""A real slurmctld with a tree of switches: what the hub's inventory makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.stack import Stack

from deploy import json_client
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm

PATIENCE_S = 90.0
TREE = """
SwitchName=leaf1 Nodes={0}
SwitchName=leaf2 Nodes={1},{2}
SwitchName=spine Switches=leaf[1-2]
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Three nodes below two leaf switches and a spine, and the hub."""
    try:
        with Sandbox() as sandbox:
            stack = Stack(sandbox, extra_conf="TopologyPlugin=topology/tree")
            (sandbox.folder / "etc/slurm/topology.conf").write_text(TREE.format(*stack.slurm.node_names))
            try:
                stack.start_slurm()
                stack.start_hub()
                yield stack
            finally:
                stack.stop()
    except MachineLacks as error:
        pytest.skip(str(error))


def _asked(stack: Stack, path: str, query: dict[str, int] | None = None) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json_client.get(f"{stack.hub.url}/api/v1/inventory/{path}", query)
    except json_client.NotFound:
        return {}
    return found


def _beside(stack: Stack, kind: str, name: str) -> set[tuple[str, str]]:
    """What the inventory has next to it."""
    found = _asked(stack, f"{kind}/{name}", {"depth": 1}).get("entities", [])
    return {(one["kind"], one["name"]) for one in found if one["distance"] == 1}


def test_slurms_tree_is_the_inventorys_each_node_below_its_own_switch(stack: Stack) -> None:
    first, second, third = stack.slurm.node_names
    found = until_blocking(lambda: _beside(stack, "switch", "spine"), "the tree in the inventory", PATIENCE_S)
    assert found == {("switch", "leaf1"), ("switch", "leaf2")}
    assert _beside(stack, "switch", "leaf1") == {("switch", "spine"), ("node", first)}
    assert _beside(stack, "switch", "leaf2") == {("switch", "spine"), ("node", second), ("node", third)}


def test_who_is_touched_by_a_switch_is_whoever_computes_below_it(stack: Stack) -> None:
    first, second, _third = stack.slurm.node_names
    here = stack.slurm.submit("sleep 60", f"--nodelist={second}")
    elsewhere = stack.slurm.submit("sleep 60", f"--nodelist={first}")
    for job in (here, elsewhere):
        stack.slurm.wait_state(job, "RUNNING")

    def touched(switch: str) -> set[int]:
        jobs = _asked(stack, f"switch/{switch}/blast-radius").get("jobs", [])
        return {one["job_id"] for one in jobs}

    until_blocking(lambda: touched("spine") == {here, elsewhere}, "both jobs below the spine", PATIENCE_S)
    assert touched("leaf2") == {here}
