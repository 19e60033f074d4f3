"""The Compose file and its images: from the one description, least rights, secrets of one stack."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml
from deploy.errors import DeployError
from deploy.hardware import NodeShape
from deploy.whole import compose, containerfiles, description

from slurmlens.config.convert import convert
from slurmlens.config.hub import HubConfig
from slurmlens.config.node import NodeConfig

ROWS = description.chosen()
SHAPE = NodeShape(2, 1, 4096)
KNOWN = {"mariadb": "m", "postgresql": "p"}


def test_every_service_is_a_container_after_what_it_needs_and_compute_alone_is_privileged() -> None:
    services = compose.compose(ROWS, 3)["services"]
    assert set(services) == {row.name for row in ROWS} - {"munge"}
    assert [name for name, one in services.items() if one.get("privileged")] == ["compute"]
    assert services["compute"]["deploy"] == {"replicas": 3}
    for name, one in services.items():
        assert set(one.get("depends_on", ())) <= set(list(services)[: list(services).index(name)])


def test_ports_are_bound_to_loopback_alone() -> None:
    ports = [port for one in compose.compose(ROWS, 1)["services"].values() for port in one.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1::") for port in ports)


def test_the_file_is_yaml_and_says_the_same() -> None:
    document = compose.compose(ROWS, 2)
    assert yaml.safe_load(compose.yaml(document)) == document


def test_a_service_without_an_image_of_ours_is_named() -> None:
    with pytest.raises(DeployError, match="no Containerfile of ours for grafana"):
        compose.compose(description.chosen(["grafana"]), 1)


def test_every_image_says_what_a_site_would_pull() -> None:
    for image in containerfiles.IMAGES:
        text = containerfiles.containerfile(image)
        assert image.pulled in text
        assert f"FROM {containerfiles.BASE}\n" in text


def test_the_settings_are_those_of_our_programs() -> None:
    files = compose.settings(ROWS, SHAPE, KNOWN)
    for kind, name in ((HubConfig, "hub.toml"), (NodeConfig, "node.toml")):
        _, problems = convert(kind, tomllib.loads(files[name]))
        assert not problems, (name, problems)


def test_each_container_sees_its_own_secrets(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    compose.write(folder, ROWS, 1, SHAPE)
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    seen = {name: [volume for volume in one["volumes"] if "secrets" in volume] for name, one in services.items()}
    assert seen["mariadb"] == ["./secrets/mariadb:/stack/secrets/mariadb:ro"]
    assert seen["carbon"] == []
    assert (folder / "secrets").stat().st_mode & 0o077 == 0
    assert (folder / "images/node/entry").stat().st_mode & 0o111


def test_no_setting_that_every_container_sees_holds_a_password(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    compose.write(folder, ROWS, 1, SHAPE)
    passwords = [(folder / "secrets" / name).read_text() for name in ("mariadb", "postgresql")]
    for file in (one for one in (folder / "etc").rglob("*") if one.is_file()):
        assert not [word for word in passwords if word in file.read_text()], file
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    holders = {
        name for name, one in services.items() if any(kept in str(one["volumes"]) for kept in compose.HOLD_PASSWORDS)
    }
    assert holders == {"hub", "slurmdbd"}


def test_a_container_waits_for_what_it_needs_and_is_started_again_a_few_times() -> None:
    services = compose.compose(ROWS, 1)["services"]
    assert services["slurmdbd"]["command"] == ["slurmdbd", "mariadb:3306"]
    assert {"postgresql:5432", "opensearch:9200", "neo4j:7687"} <= set(services["hub"]["command"])
    assert {one["restart"] for one in services.values()} == {f"on-failure:{compose.MOST_RESTARTS}"}


def test_servers_bind_every_address_and_neo4j_tells_one_that_can_be_reached() -> None:
    files = compose.settings(ROWS, SHAPE, KNOWN)
    assert "network.host: 0.0.0.0" in files["opensearch/opensearch.yml"]
    told = [line for line in files["neo4j/neo4j.conf"].splitlines() if "advertised" in line]
    assert told == ["server.default_advertised_address=neo4j", "server.bolt.advertised_address=neo4j:7687"]
    assert "127.0.0.1" not in files["neo4j/neo4j.conf"]


def test_servers_run_as_users_of_their_own() -> None:
    users = {image.name: image.user for image in containerfiles.IMAGES}
    as_root = {name for name, user in users.items() if user == "root"}
    assert as_root == {"slurm", "node", "hub"}  # they run munged, then give up root by setpriv
