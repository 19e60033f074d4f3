"""One virtual machine a Slurm release: the Debian packages installed by dpkg, Slurm set up as a site does.

Three states of it are saved as they come about: booted, installed, and ready (with Slurm, hub and node daemon running).
Each file of tests begins from one of them, so that none feels what another left, and setting up is paid once: the
states stay in build/vm for the next run, and one is made anew only where what it was made of has changed.
SLURMLENS_VM_RELEASES names the releases, one after another; with SLURMLENS_VM_KEEP=FOLDER the states are in another
folder, and a machine is left running there for whoever wants to see what a failed test left.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.errors import MachineLacks
from deploy.vm.image import HOST_NAME, SUITES, image, require
from deploy.vm.machine import VirtualMachine

from testkit.checkout import ROOT
from vm.packages import packages_for
from vm.slurm_conf import CGROUP_CONF, SLURM_CONF
from vm.states import BOOTED, States, name_of, saved

RELEASES = os.environ.get("SLURMLENS_VM_RELEASES", " ".join(SUITES)).split()
KEPT = os.environ.get("SLURMLENS_VM_KEEP")
SLOW_MACHINE = "[Service]\nTimeoutStartSec=1800\nWatchdogSec=900\n"
# An emulated squeue takes seconds; the hub asks again only when it has waited for ten times what the last one took.
HUB_SETTINGS = "[slurm]\npoll_interval_s = 5\ncommand_timeout_s = 200\n"


# A minute to boot where there is no KVM: these tests are `make test-vm`'s alone.
collect_ignore_glob = [] if os.environ.get("SLURMLENS_VM") else ["test_*.py"]


@pytest.fixture(scope="session", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Slurm's release, as `22.05`."""
    return str(request.param)


@pytest.fixture(scope="session")
def states(release: str) -> Iterator[States]:
    """The release's machine, all that its states are made of known, none of them made yet but the first."""
    debs = sorted(packages_for(release))
    if not debs:
        pytest.skip(f"no packages for Slurm {release} in dist/: `make deb`, `python -m deploy.vm.packages {release}`")
    try:
        require()
        built = image(release)
    except MachineLacks as error:
        pytest.skip(str(error))
    folder = Path(KEPT or ROOT / "build/vm") / built.folder.name
    folder.mkdir(parents=True, exist_ok=True)
    virtual = VirtualMachine(built, folder)
    made_of = b"".join(one.read_bytes() for one in debs)
    set_up = inspect.getsource(set_up_cluster) + SLURM_CONF + CGROUP_CONF + SLOW_MACHINE + HUB_SETTINGS
    try:
        saved(virtual, BOOTED, virtual.start)
        yield States(virtual, name_of("installed", made_of), name_of("ready", made_of + set_up.encode()))
    finally:
        if not KEPT:
            virtual.power_off()


@pytest.fixture(scope="session")
def installed(states: States, release: str) -> States:
    """By dpkg, into a machine that has just booted."""

    def install() -> None:
        states.machine.load(BOOTED)
        states.machine.copy(packages_for(release), "/root/dist")
        states.machine.run("dpkg --force-unsafe-io -i /root/dist/*.deb")

    saved(states.machine, states.installed, install)
    return states


@pytest.fixture(scope="session")
def ready(installed: States) -> States:
    """Slurm running, the hooks in its folders, hub and node daemon started."""

    def begin() -> None:
        installed.machine.load(installed.installed)
        set_up_cluster(installed.machine)

    saved(installed.machine, installed.ready, begin)
    return installed


@pytest.fixture(scope="module")
def machine(installed: States) -> VirtualMachine:
    """A Debian with that Slurm on cgroup v2, our packages installed, nothing of ours started."""
    installed.machine.load(installed.installed)
    return installed.machine


@pytest.fixture(scope="module")
def cluster(ready: States) -> VirtualMachine:
    """The same with Slurm, the hooks, hub and node daemon running."""
    ready.machine.load(ready.ready)
    return ready.machine


def set_up_cluster(machine: VirtualMachine) -> None:
    folders = "/var/lib/slurm/slurmctld /var/lib/slurm/slurmd /var/log/slurm"
    machine.run(f"mkdir -p {folders} /etc/slurm/prolog.d /etc/slurm/epilog.d; chown -R slurm {folders}")
    machine.put(SLURM_CONF, "/etc/slurm/slurm.conf")
    machine.put(CGROUP_CONF, "/etc/slurm/cgroup.conf")
    for program in ("hub", "relay", "node"):
        # An emulated processor is a hundred times slower than the one that the units' times are for.
        machine.run(f"mkdir -p /etc/systemd/system/slurmlens-{program}.service.d")
        machine.put(SLOW_MACHINE, f"/etc/systemd/system/slurmlens-{program}.service.d/10-slow.conf")
    machine.run("systemctl daemon-reload; mkdir -p /etc/slurmlens/hub.conf.d")
    machine.put(HUB_SETTINGS, "/etc/slurmlens/hub.conf.d/20-slow-machine.toml")
    machine.run("slurmlens setup hub; slurmlens setup node --hub http://127.0.0.1:6830", check=False)
    machine.run("systemctl restart slurmctld slurmd; systemctl start slurmlens-hub slurmlens-node")
    machine.until(f"sinfo -h -n {HOST_NAME} -o %t | grep -q idle", 600)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The tables of the layouts, which are what a person wants of this suite."""
    for path in sorted((ROOT / "build/vm").glob("layouts-*.md")):
        terminalreporter.write_line(path.read_text())
