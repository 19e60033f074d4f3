"""The units and their neighbours, judged by systemd's own programs."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from slurmlens.config.hub import HubConfig
from slurmlens.config.node import NodeConfig
from slurmlens.config.relay import RelayConfig
from testkit.checkout import ROOT

SYSTEMD = ROOT / "systemd"
SERVICES = ["slurmlens-node.service", "slurmlens-hub.service", "slurmlens-relay.service"]
MOST_EXPOSURE = 2.0
EXPOSURE = runpy.run_path(str(ROOT / "docs/generate_exposure.py"))
exposure = EXPOSURE["exposure"]
DROP_INS = sorted((SYSTEMD / "drop-ins").glob("*.conf"))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="making users, folders and mounts needs root")


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed (Debian: systemd)")


@needs("systemd-analyze")
@pytest.mark.parametrize("name", [*SERVICES, "slurmlens-controllers.service"])
def test_services_are_exposed_no_more_than_promised(name: str) -> None:
    assert exposure(SYSTEMD / name) <= MOST_EXPOSURE


@needs("systemd-analyze")
def test_the_page_on_installing_has_the_figures_of_these_units() -> None:
    """After a change: docs/generate_exposure.py. Another systemd counts a little differently."""
    row = re.compile(r"^\| `([^`]+)` \| ([0-9.]+) \|$", re.MULTILINE)
    written, now = row.findall(EXPOSURE["PAGE"].read_text()), row.findall(EXPOSURE["page"]())
    assert [name for name, _ in written] == [name for name, _ in now]
    assert all(abs(float(one) - float(other)) <= 0.2 for (_, one), (_, other) in zip(written, now, strict=True))


@needs("systemd-analyze")
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for path in [*SYSTEMD.glob("*.service"), *SYSTEMD.glob("*.mount")]:
        # Only here the programs lie elsewhere: systemd looks whether they are there.
        (units / path.name).write_text(path.read_text().replace("/usr/bin/slurmlens", "/bin/true -"))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(map(str, units.iterdir()))], capture_output=True, text=True
    )
    ours = [line for line in result.stderr.splitlines() if "slurmlens" in line]
    assert (result.returncode, ours) == (0, [])


@needs("systemd-analyze")
@pytest.mark.parametrize("part", DROP_INS, ids=[part.stem for part in DROP_INS])
def test_a_drop_in_is_one_that_systemd_takes_and_opens_little_more(part: Path, tmp_path: Path) -> None:
    unit = "slurmlens-node.service"
    text = (SYSTEMD / unit).read_text().replace("/usr/bin/slurmlens", "/bin/true -")
    (tmp_path / unit).write_text(text)
    folder = tmp_path / f"{unit}.d"
    folder.mkdir()
    shutil.copy(part, folder)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)], capture_output=True, text=True
    )
    assert [line for line in verified.stderr.splitlines() if "slurmlens" in line] == []
    assert exposure(SYSTEMD / unit) <= exposure(tmp_path / unit) <= MOST_EXPOSURE


@pytest.mark.parametrize("part", DROP_INS, ids=[part.stem for part in DROP_INS])
def test_a_drop_in_says_how_it_is_installed_and_the_documents_name_it(part: Path) -> None:
    command = (
        f"install -D -m 0644 -t /etc/systemd/system/slurmlens-node.service.d /usr/share/slurmlens/systemd/{part.name}"
    )
    assert command in part.read_text()
    assert f"`{part.name}`" in (ROOT / "docs/installation.md").read_text()


def script_of(part: str) -> str:
    [argv] = re.findall(r"^ExecStartPre=-\+(.*)$", (SYSTEMD / "drop-ins" / part).read_text(), re.MULTILINE)
    return str(argv).replace("$$", "$")


@needs_root
def test_the_drop_in_for_rapl_opens_the_counters_to_the_group_and_to_nobody_else(tmp_path: Path) -> None:
    domains = [tmp_path / name for name in ("intel-rapl:0", "intel-rapl:0:0")]
    for domain in domains:
        domain.mkdir()
        (domain / "energy_uj").write_text("1\n")
        (domain / "energy_uj").chmod(0o400)
    script = (
        script_of("rapl.conf").replace("/sys/class/powercap", str(tmp_path)).replace("chgrp slurmlens", "chgrp 4711")
    )
    subprocess.run(shlex.split(script), check=True)
    found = [(stat.S_IMODE(one.st_mode), one.st_gid) for one in ((it / "energy_uj").stat() for it in domains)]
    assert found == [(0o440, 4711)] * 2


@needs_root
def test_the_drop_in_for_lustre_lets_the_group_into_debugfs_and_nobody_else(tmp_path: Path) -> None:
    script = script_of("lustre.conf").replace("/sys/kernel/debug", str(tmp_path)).replace("gid=slurmlens", "gid=4711")
    mounted = f"mount -t debugfs none {tmp_path} || exit 77; "
    remounted = f"before=$(stat -c 'mode=%a,gid=%g' {tmp_path}); {script}; stat -c '%a %g' {tmp_path}; "
    undone = f"mount -o remount,$before {tmp_path}"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", mounted + remounted + undone],
        capture_output=True,
        text=True,
    )
    if done.returncode == 77:
        pytest.skip("this kernel lets nobody mount debugfs here")
    assert (done.returncode, done.stdout) == (0, "750 4711\n"), done.stderr


def setting(unit: str, key: str) -> str:
    """The one value of a key."""
    [value] = re.findall(rf"^{key}=(.*)$", (SYSTEMD / unit).read_text(), re.MULTILINE)
    return str(value)


def test_what_a_program_writes_by_default_lies_in_the_folders_that_its_unit_makes() -> None:
    node, hub, relay = NodeConfig(), HubConfig(), RelayConfig()
    for unit, runtime_path, state in (
        ("slurmlens-node.service", node.runtime_path, node.spool.path.parent),
        ("slurmlens-relay.service", relay.runtime_path, relay.spool.path.parent),
        ("slurmlens-hub.service", hub.runtime_path, Path(hub.database.url.removeprefix("sqlite:///")).parent),
    ):
        assert runtime_path == Path("/run") / setting(unit, "RuntimeDirectory")
        assert state == Path("/var/lib") / setting(unit, "StateDirectory")


def test_the_users_of_the_units_may_speak_for_nodes_and_relays_by_default() -> None:
    node, relay = (setting(f"slurmlens-{program}.service", "User") for program in ("node", "relay"))
    assert {node, relay} <= set(HubConfig().auth.allowed_users)
    assert node in RelayConfig().auth.allowed_users


def test_every_program_of_a_unit_is_installed_under_that_name() -> None:
    scripts = tomllib.loads((SYSTEMD.parent / "pyproject.toml").read_text())["project"]["scripts"]
    for unit in SERVICES:
        assert setting(unit, "ExecStart").removeprefix("/usr/bin/") in scripts


def test_the_controllers_are_switched_on_in_every_scope_and_a_node_without_one_is_tried_again(tmp_path: Path) -> None:
    argv = setting("slurmlens-controllers.service", "ExecStart")
    script = argv.split("'")[1].replace("$$", "$").replace("/sys/fs/cgroup", str(tmp_path))
    assert subprocess.run(["/bin/sh", "-ec", script], check=False, capture_output=True).returncode != 0
    scopes = [tmp_path / "system.slice" / f"{node}_slurmstepd.scope" for node in ("n0", "n1")]
    for scope in scopes:
        scope.mkdir(parents=True)
    subprocess.run(["/bin/sh", "-ec", script], check=True)
    assert [(scope / "cgroup.subtree_control").read_text() for scope in scopes] == ["+io +pids\n"] * 2


def test_the_dropbox_is_never_a_runtime_directory() -> None:
    text = (SYSTEMD / "slurmlens-node.service").read_text()
    assert re.findall(r"^RuntimeDirectory=(.*)$", text, re.MULTILINE) == ["slurmlens-node"]


@needs_root
@needs("systemd-sysusers")
@needs("systemd-tmpfiles")
def test_users_and_folders_are_made_as_hook_and_daemon_need_them(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    root = f"--root={tmp_path}"
    subprocess.run(["systemd-sysusers", root, str(SYSTEMD / "sysusers.d/slurmlens.conf")], check=True)
    subprocess.run(["systemd-tmpfiles", root, "--create", str(SYSTEMD / "tmpfiles.d/slurmlens.conf")], check=True)
    groups = dict(line.split(":")[::2] for line in (tmp_path / "etc/group").read_text().splitlines())
    assert {"slurmlens", "slurmlens-hub", "slurmlens-relay"} <= groups.keys()
    assert len({groups[name] for name in ("slurmlens", "slurmlens-hub", "slurmlens-relay")}) == 3
    found = {
        name: (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        for name in ("run/slurmlens", "run/slurmlens/events", "run/slurmlens/lost")
        for status in [(tmp_path / name).stat()]
    }
    assert found == {
        "run/slurmlens": (0o755, 0, 0),
        "run/slurmlens/events": (0o2770, 0, int(groups["slurmlens"])),
        "run/slurmlens/lost": (0o755, 0, 0),
    }


@needs_root
def test_the_mount_is_one_that_mount_takes_and_as_open_as_it_should_be(tmp_path: Path) -> None:
    unit = dict(
        line.split("=", 1)
        for line in (SYSTEMD / "run-slurmlens-events.mount").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    assert unit["Where"] == "/run/slurmlens/events"
    (tmp_path / "group").write_text("root:x:0:\nslurmlens:x:4711:\n")
    (tmp_path / "events").mkdir()
    script = (
        f"mount --bind {tmp_path}/group /etc/group\n"
        f"mount -t {unit['Type']} -o {unit['Options']} {unit['What']} {tmp_path}/events\n"
        f"stat -c '%a %u %g' {tmp_path}/events; stat -f -c '%b %S %c' {tmp_path}/events"
    )
    said = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    blocks, block_size, inodes = map(int, said[1].split())
    assert said[0] == "2770 0 4711"
    assert blocks * block_size == 16 * 1024 * 1024
    assert inodes == 8192


def test_the_lines_for_slurm_conf_name_the_programs_that_are_installed(tmp_path: Path) -> None:
    repository = SYSTEMD.parent
    subprocess.run(
        ["make", "-s", "-C", repository / "slurm_hooks", f"BUILD={tmp_path}/build", f"DESTDIR={tmp_path}", "install"],
        check=True,
    )
    lines = (repository / "etc/slurm/slurmlens.conf").read_text().splitlines()
    named = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(named) == {"Prolog", "Epilog", "PrologFlags"}
    for key in ("Prolog", "Epilog"):
        program = tmp_path / named[key].removeprefix("/")
        assert os.access(program, os.X_OK)
        assert program.name == f"slurmlens-{key.lower()}"
