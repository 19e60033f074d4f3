"""The real programs where a machine is not as it should be: each ends or goes on with one line that says what to do.

Ends with a status that systemd does not start again (`RestartPreventExitStatus` of the units).
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from testkit.checkout import ROOT
from testkit.private_munged import FAKETIME

PATIENCE_S = 60
MODULES = {"node": "slurmlens.node.start", "hub": "slurmlens.hub.main", "relay": "slurmlens.relay.main"}
SETTINGS = {
    "node": 'cluster = "demo"\nnode = "n1"\ndropbox_path = "{folder}/events"\nruntime_path = "{folder}/run"\n'
    '[spool]\npath = "{folder}/state"\n',
    "hub": 'cluster = "demo"\nruntime_path = "{folder}/run"\n'
    '[database]\nurl = "sqlite:///{folder}/state/hub.sqlite"\n[listen]\nport = {port}\n',
    "relay": 'cluster = "demo"\nname = "r1"\nruntime_path = "{folder}/run"\n[spool]\npath = "{folder}/state"\n'
    '[listen]\nport = {port}\n[carbon]\nport = 0\n[sinks.hub]\nurl = "http://127.0.0.1:1"\n',
}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace of its own needs root")
Program = Callable[..., tuple[int, str]]


@pytest.fixture
def started(tmp_path: Path) -> Program:
    """`started(program, port=, within=, environment=)`: its exit status and all that it said.

    One that gets ready is asked to end then: its status is 0. `within` is a shell command in whose mount namespace it
    runs.
    """
    for name in ("events", "state", "run"):
        (tmp_path / name).mkdir()

    def start(
        program: str,
        port: int = 0,
        within: str = "",
        environment: dict[str, str] | None = None,
        settings: str | None = "",
    ) -> tuple[int, str]:
        path = tmp_path / f"{program}.toml"
        if settings is not None:
            path.write_text(SETTINGS[program].format(folder=tmp_path, port=port) + settings)
        argv = [sys.executable, "-m", MODULES[program], "--config", str(path)]
        if within:
            argv = ["unshare", "--mount", "sh", "-ec", f'{within}; exec "$@"', "sh", *argv]
        return run_until_ready(argv, tmp_path, environment or {})

    return start


def run_until_ready(argv: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    (folder / "notify").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, (folder / "log").open("wb") as log:
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(0.2)
        variables = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), **environment}
        process = subprocess.Popen(argv, env=variables, stdout=log, stderr=log)
        for _ in range(PATIENCE_S * 5):
            try:
                if process.poll() is not None or b"READY=1" in systemd.recv(4096):
                    break
            except TimeoutError:
                continue
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE_S), (folder / "log").read_text()


def lines_with(said: str, *words: str) -> list[str]:
    return [line for line in said.splitlines() if all(word in line for word in words)]


def statuses_left_alone(program: str) -> set[int]:
    unit = (ROOT / f"systemd/slurmlens-{program}.service").read_text()
    return set(map(int, re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE)[0].split()))


@pytest.mark.parametrize("program", sorted(MODULES))
def test_without_settings_a_program_ends_and_says_where_they_belong(program: str, started: Program) -> None:
    status, said = started(program, settings=None)
    assert status in statuses_left_alone(program)
    assert lines_with(said, f"{program}.toml: no such file", "--config") == said.splitlines()


@pytest.mark.parametrize("program", ["hub", "relay"])
def test_a_port_that_is_taken_ends_a_program_that_names_it(program: str, started: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, said = started(program, port=port)
    assert status in statuses_left_alone(program)
    assert len(lines_with(said, f"127.0.0.1:{port} cannot be bound")) == 1


@needs_root
def test_a_hub_that_may_not_write_its_folder_ends_and_names_it(tmp_path: Path, started: Program) -> None:
    status, said = started("hub", within=f"mount -t tmpfs -o ro none {tmp_path}/state")
    assert status in statuses_left_alone("hub")
    assert len(lines_with(said, "database.url", f"{tmp_path}/state")) == 1


@needs_root
@pytest.mark.parametrize("program", ["node", "relay"])
def test_a_spool_that_cannot_be_written_is_named_and_the_program_goes_on(
    program: str, tmp_path: Path, started: Program
) -> None:
    status, said = started(program, within=f"mount -t tmpfs -o ro none {tmp_path}/state")
    assert status == 0
    assert len(lines_with(said, "spool_failed", "Read-only file system", f"{tmp_path}/state")) == 1


@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed (Debian: libfaketime)")
@pytest.mark.parametrize("program", sorted(MODULES))
def test_a_clock_in_1970_is_named_and_the_program_goes_on(program: str, started: Program) -> None:
    past = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "-50y", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    status, said = started(program, environment=past)
    assert status == 0
    assert len(lines_with(said, "clock_is_wrong", "timedatectl")) == 1


@needs_root
def test_a_container_without_cgroups_is_named_and_the_daemon_goes_on(started: Program) -> None:
    status, said = started("node", within="umount -R /sys/fs/cgroup")
    assert status == 0
    assert len(lines_with(said, "cgroups_unusable", "/sys/fs/cgroup")) == 1


@needs_root
def test_a_cgroup_tree_of_the_version_that_has_no_controllers_is_named(started: Program) -> None:
    controllers = Path("/sys/fs/cgroup/unified/cgroup.controllers")
    if not controllers.exists() or {"cpu", "memory"} <= set(controllers.read_text().split()):
        pytest.skip("this machine has no hybrid hierarchy whose v2 tree is without controllers")
    status, said = started("node", within="umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup")
    assert status == 0
    assert len(lines_with(said, "cgroups_unusable", "v1 has them")) == 1
