"""What the packages' scripts do with the names by which slurm.conf calls the hooks: there is always a program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from testkit.checkout import ROOT

HOOKS = (
    "prolog",
    "epilog",
    "prolog-slurmctld",
    "epilog-slurmctld",
    "task-prolog",
    "task-epilog",
    "srun-prolog",
    "srun-epilog",
)
NAMES = ("slurmlens-hook", "slurmlens-hook.sh", "slurmlens-task", *(f"slurmlens-{name}" for name in HOOKS))


class Host:
    """The folders of the hooks below one folder."""

    def __init__(self, root: Path) -> None:
        self.called, self.owned = root / "libexec", root / "lib"
        self.owned.mkdir()
        for name in NAMES:
            (self.owned / name).write_text("#!/bin/sh\necho ours\n")
            (self.owned / name).chmod(0o755)

    def run(self, script: str, *arguments: str) -> None:
        text = (ROOT / "packaging/scriptlets" / script).read_text()
        text = text.replace("/usr/libexec/slurmlens", str(self.called)).replace(
            "/usr/lib/slurmlens/hooks", str(self.owned)
        )
        text = "\n".join(line for line in text.splitlines() if "systemctl" not in line and "systemd-" not in line)
        subprocess.run(["/bin/sh", "-c", text, script, *arguments], check=True)

    def said(self, name: str) -> str:
        return subprocess.run([self.called / name], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.run("hooks.postinst", "configure")
    return made


@pytest.mark.parametrize("name", NAMES)
def test_an_installed_hook_is_ours_and_stays_so_over_an_upgrade(name: str, host: Host) -> None:
    host.run("hooks.prerm", "upgrade", "0.2.0")
    host.run("hooks.postinst", "configure", "0.1.0")
    assert host.said(name) == "ours\n"


@pytest.mark.parametrize("argument", ["remove", "0"])
def test_after_a_removal_every_name_is_a_program_that_does_nothing(argument: str, host: Host) -> None:
    host.run("hooks.prerm", argument)
    for name in NAMES:
        (host.owned / name).unlink()
    assert [host.said(name) for name in NAMES] == [""] * len(NAMES)
    assert {path.name for path in host.called.iterdir()} == set(NAMES)


def test_an_installation_after_a_removal_has_ours_again(host: Host) -> None:
    host.run("hooks.prerm", "remove")
    host.run("hooks.postinst", "configure")
    assert host.said("slurmlens-prolog") == "ours\n"


def test_a_folder_that_cannot_be_written_stops_no_package(host: Host, tmp_path: Path) -> None:
    host.called.rename(tmp_path / "away")
    host.called.write_text("")
    host.run("hooks.prerm", "remove")
    host.run("hooks.postinst", "configure")


def test_the_spec_does_what_the_debian_scripts_do() -> None:
    spec = (ROOT / "packaging/slurmlens.spec").read_text()
    for name in ("hooks.postinst", "hooks.prerm"):
        text = (ROOT / "packaging/scriptlets" / name).read_text()
        loop = text[text.index("for name in") : text.index("done\n")]
        assert "".join(loop.split()) in "".join(spec.split())
