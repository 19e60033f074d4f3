"""The shipped files say what the dataclasses say; `make golden` rewrites them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slurmlens.config.hub import HubConfig
from slurmlens.config.load import load_hub, load_node, load_relay
from slurmlens.config.node import NodeConfig
from slurmlens.config.relay import RelayConfig
from slurmlens.config.render import SHIPPED, render
from slurmlens.config.sinks import HubSinkConfig, SinksConfig
from testkit.checkout import ROOT

ETC = ROOT / "etc" / "slurmlens"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_file_is_made_from_the_dataclasses(name: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        (ETC / name).write_text(render(name))
    assert (ETC / name).read_text() == render(name), "run `make golden` and review the change"


def test_the_shipped_files_load_and_switch_no_receiver_on_but_the_hub() -> None:
    node = load_node(ETC / "node.toml")
    assert node == NodeConfig(node=node.node, sinks=SinksConfig(hub=HubSinkConfig()))
    assert load_hub(ETC / "hub.toml") == HubConfig()
    relay = load_relay(ETC / "relay.toml")
    assert relay == RelayConfig(name=relay.name, sinks=SinksConfig(hub=HubSinkConfig()))


def test_a_relay_replays_for_a_rack_and_says_so_in_its_file() -> None:
    """ADR 18: three times what 72 nodes of 64 slots make at 1 Hz, and a multiple of a node's own rate."""
    busiest_node_bytes_per_s = 79_000
    rate = RelayConfig().replay.bytes_per_s
    assert rate >= 2.9 * 72 * busiest_node_bytes_per_s
    assert rate == 8 * NodeConfig().replay.bytes_per_s
    text = (ETC / "relay.toml").read_text()
    assert f"\n# bytes_per_s = {rate}\n" in text[text.index("[replay]") : text.index("[sinks.hub]")]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shown_default_is_taken_when_its_comment_sign_is_removed(name: str, tmp_path: Path) -> None:
    uncommented = re.sub(r"^# (\[[a-z0-9_.]+\]|[a-z_]+ = .*)$", r"\1", render(name), flags=re.MULTILINE)
    # What belongs to TLS or to a login is refused without it.
    uncommented = uncommented.replace("tls = false", "tls = true").replace('mechanism = "none"', 'mechanism = "PLAIN"')
    uncommented = uncommented.replace('url = "http://127.0.0.1:6830"', 'url = "https://127.0.0.1:6830"')
    (tmp_path / name).write_text(uncommented)
    assert uncommented.count("\n[") >= 6
    {"node.toml": load_node, "hub.toml": load_hub, "relay.toml": load_relay}[name](tmp_path / name)
