"""One booted virtual machine a Slurm release: the Debian packages installed by dpkg, Slurm set up as a site does.

SLURMLENS_VM_RELEASES names the releases, one after another; with SLURMLENS_VM_KEEP=FOLDER a machine is left running
there and taken up by the next run, packages installed anew, for whoever writes a test.
"""

from __future__ import annotations

import hashlib
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

RELEASES = os.environ.get("SLURMLENS_VM_RELEASES", " ".join(SUITES)).split()
KEPT = os.environ.get("SLURMLENS_VM_KEEP")
SLOW_MACHINE = "[Service]\nTimeoutStartSec=1800\nWatchdogSec=900\n"


# A minute to boot where there is no KVM: these tests are `make test-vm`'s alone.
collect_ignore_glob = [] if os.environ.get("SLURMLENS_VM") else ["test_*.py"]


@pytest.fixture(scope="session", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Slurm's release, as `22.05`."""
    return str(request.param)


def install(virtual: VirtualMachine, debs: list[Path]) -> None:
    """By dpkg; nothing where these very packages are installed already, in a machine that was kept."""
    stated = hashlib.sha256(b"".join(one.read_bytes() for one in sorted(debs))).hexdigest()
    if virtual.run("cat /root/installed", check=False).strip() == stated:
        return
    virtual.run("rm -rf /root/dist")
    virtual.copy(debs, "/root/dist")
    virtual.run("dpkg --force-unsafe-io -i /root/dist/*.deb")
    virtual.put(stated, "/root/installed")


@pytest.fixture(scope="session")
def machine(release: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    """A Debian with that Slurm on cgroup v2, our packages installed, nothing of ours started."""
    debs = packages_for(release)
    if not debs:
        pytest.skip(f"no packages for Slurm {release} in dist/: `make deb`, `python -m deploy.vm.packages {release}`")
    folder = Path(KEPT) / release if KEPT else tmp_path_factory.mktemp("vm")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        require()
        virtual = VirtualMachine(image(release), folder)
    except MachineLacks as error:
        pytest.skip(str(error))
    virtual.start()
    try:
        install(virtual, debs)
        yield virtual
    finally:
        if not KEPT:
            virtual.power_off()


@pytest.fixture(scope="session")
def cluster(machine: VirtualMachine) -> VirtualMachine:
    """The same with Slurm running, the hooks in its folders, hub and node daemon started."""
    folders = "/var/lib/slurm/slurmctld /var/lib/slurm/slurmd /var/log/slurm"
    machine.run(f"mkdir -p {folders} /etc/slurm/prolog.d /etc/slurm/epilog.d; chown -R slurm {folders}")
    machine.put(SLURM_CONF, "/etc/slurm/slurm.conf")
    machine.put(CGROUP_CONF, "/etc/slurm/cgroup.conf")
    for program in ("hub", "node"):
        # An emulated processor is a hundred times slower than the one that the units' times are for.
        machine.run(f"mkdir -p /etc/systemd/system/slurmlens-{program}.service.d")
        machine.put(SLOW_MACHINE, f"/etc/systemd/system/slurmlens-{program}.service.d/10-slow.conf")
    machine.run("systemctl daemon-reload")
    machine.run("slurmlens setup hub; slurmlens setup node --hub http://127.0.0.1:6830", check=False)
    machine.run("systemctl restart slurmlens-hub slurmlens-node; systemctl restart slurmctld slurmd")
    machine.until(f"sinfo -h -n {HOST_NAME} -o %t | grep -q idle", 600)
    return machine


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The tables of the layouts, which are what a person wants of this suite."""
    for path in sorted((ROOT / "build/vm").glob("layouts-*.md")):
        terminalreporter.write_line(path.read_text())
