"""A stack in containers: its name is taken once, and what an engine tells of it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deploy.errors import DeployError, MachineLacks
from deploy.whole import containers
from deploy.whole.containers import PROJECT, SERVICE, Engine, RunningContainers


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(containers, "FOLDERS", tmp_path / "stacks")
    return tmp_path / "stacks"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers.shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(containers.os, "geteuid", lambda: 0)


def test_a_name_is_taken_once(folders: Path, installed: None) -> None:
    assert containers.claim("one", "podman") == Engine("podman", "slurmlens-one")
    assert containers.names() == ["one"]
    with pytest.raises(DeployError, match="'one' is there already"):
        containers.claim("one", "docker")
    assert containers.engine_of("one") == Engine("podman", "slurmlens-one")
    assert containers.engine_of("other") is None


@pytest.mark.parametrize("name", ["../../etc", "Big", "", "a b", "-rf", "x" * 50])
def test_a_name_that_no_engine_takes_is_refused_before_anything_is_made(
    name: str, folders: Path, installed: None
) -> None:
    with pytest.raises(DeployError, match="small letters"):
        containers.claim(name, "podman")
    assert not folders.exists()


def test_an_engine_that_is_not_known_or_not_there_is_named(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match="say podman or docker"):
        containers.claim("one", "lxc")
    monkeypatch.setattr(containers.shutil, "which", lambda program: None)
    with pytest.raises(MachineLacks, match="podman is not there"):
        containers.claim("one", "podman")
    assert not folders.exists()


def test_whoever_is_not_root_is_told_so(installed: None, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers.os, "geteuid", lambda: 1000)
    with pytest.raises(MachineLacks, match="run as root"):
        containers.claim("one", "podman")
    assert not folders.exists()


class Told(Engine):
    """An engine that made what it is given."""

    def containers(self) -> list[dict[str, Any]]:
        return MADE


def container(service: str, status: str, restarts: int, ports: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "Id": f"id-{service}",
        "Created": "2026-12-01",
        "Name": service,
        "State": {"Status": status, "ExitCode": 137 if status == "exited" else 0},
        "RestartCount": restarts,
        "Config": {"Hostname": f"host-{service}", "Labels": {PROJECT: "slurmlens-one", SERVICE: service}},
        "NetworkSettings": {"Ports": ports},
    }


MADE = [
    container("consul", "running", 0, {"8500/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40001"}], "8300/tcp": None}),
    container("carbon", "running", 2, {"2003/tcp": [{"HostPort": "40002"}], "8888/tcp": [{"HostPort": "40003"}]}),
    container("mariadb", "exited", 5),
    container("neo4j", "exited", 0),
    container("compute", "running", 0),
]


def test_what_an_engine_tells_says_how_each_service_fares_and_where_it_answers(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunningContainers, "_last_words", lambda self, one: "it said nothing")
    folder = folders / "one"
    folder.mkdir(parents=True)
    (folder / containers.SERVICES_FILE).write_text("munge\nconsul\nmariadb\nneo4j\nhub\ncarbon\ncompute")
    (folder / containers.COMPUTE_FILE).write_text("1")
    stack = RunningContainers(folder, Told("podman", "slurmlens-one"))
    fares = {one.name: (one.state, one.restarts) for one in stack.record.services}
    assert fares == {
        "consul": ("up", 0),
        "mariadb": ("given up", 5),
        "neo4j": ("ended", 0),
        "hub": ("ended", 0),
        "carbon": ("up", 2),
        "host-compute-compute0": ("up", 0),
    }
    assert stack.record.addresses == {
        "consul": "http://127.0.0.1:40001",
        "carbon": "127.0.0.1:40002",
        "render": "http://127.0.0.1:40003",
    }
    assert (stack.record.phase, list(stack.nodes)) == ("failed", ["host-compute"])
