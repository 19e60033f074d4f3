"""The RPMs by rpm and its scriptlets. The last of this folder, for it takes the Debian packages away."""

from __future__ import annotations

import pytest
from deploy.vm.image import HOST_NAME
from deploy.vm.machine import VirtualMachine

from testkit.checkout import ROOT
from vm.jobs import PATIENCE_S, submit


def main_process(cluster: VirtualMachine) -> str:
    return cluster.run("systemctl show -P MainPID slurmlens-node").strip()


def test_the_rpms_install_start_upgrade_and_go_by_their_own_scriptlets(cluster: VirtualMachine, release: str) -> None:
    """By rpm --nodeps on Debian; the RPMs are of the Python that Debian 12 has."""
    rpms = sorted((ROOT / "dist").glob("*.rpm"))
    if release != "22.05" or not rpms:
        pytest.skip("no RPMs for this machine's Python: `make rpm` makes them for Debian 12's")
    cluster.copy(rpms, "/root/rpms")
    cluster.run("systemctl disable --now slurmlens-node slurmlens-hub; dpkg -P $(cd /root/dist; ls | cut -d_ -f1)")
    cluster.run("rpm -i --nodeps /root/rpms/*.rpm")
    assert cluster.run("systemctl is-enabled slurmlens-node", check=False).strip() == "disabled"
    assert cluster.run("readlink -f /usr/libexec/slurmlens/slurmlens-prolog").strip().endswith("/slurmlens-hook")
    cluster.run("slurmlens setup hub; slurmlens setup node --hub http://127.0.0.1:6830", check=False)
    for unit in ("slurmlens-node", "slurmlens-hub"):
        cluster.until(f"systemctl is-active {unit}", PATIENCE_S)
    before = main_process(cluster)
    cluster.run("rpm -U --force --nodeps /root/rpms/slurmlens-node*.rpm /root/rpms/slurmlens-hooks*.rpm")
    cluster.until(f"test $(systemctl show -P MainPID slurmlens-node) != {before}", PATIENCE_S)
    cluster.run("rpm -e --nodeps slurmlens-node slurmlens-hooks slurmlens-spank")
    assert cluster.run("systemctl is-active slurmlens-node", check=False).strip() in ("inactive", "unknown")
    job = submit(cluster, "true")
    cluster.until(f"scontrol show job {job} | grep -q JobState=COMPLETED", PATIENCE_S)
    assert cluster.run(f"sinfo -h -n {HOST_NAME} -o %t").strip() == "idle"
