"""The configuration files that deploy renders are ones that the product takes."""

from __future__ import annotations

import tomllib
from pathlib import Path

from deploy.slurmlens import RULES, NodeSettings, hub_toml, node_toml

from slurmlens.config.convert import convert
from slurmlens.config.hub import HubConfig
from slurmlens.config.node import NodeConfig

SETTINGS = NodeSettings(cluster="demo", hub_url="http://127.0.0.1:6830", carbon_port=2003)


def test_the_node_daemons_file_is_taken_without_a_problem_and_says_what_was_meant() -> None:
    made, problems = convert(NodeConfig, tomllib.loads(node_toml(SETTINGS, "d000-compute0", Path("/w/node"))))
    assert problems == []
    assert (made.cluster, made.node) == ("demo", "d000-compute0")
    assert made.sampling.interval_s == 1.0


def test_the_hubs_file_is_taken_without_a_problem() -> None:
    made, problems = convert(HubConfig, tomllib.loads(hub_toml("demo", 6831, 2003, Path("/w/hub"))))
    assert problems == []
    assert made.listen.port == 6831


def test_the_demos_rules_are_taken_without_a_problem() -> None:
    made, problems = convert(HubConfig, tomllib.loads(hub_toml("demo", 6831, 2003, Path("/w/hub"), rules=RULES)))
    assert problems == []
    assert made.access is not None
    assert made.access.users_see == "own"
