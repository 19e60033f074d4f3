"""One booted virtual machine for all its tests: the Debian packages installed by dpkg, Slurm set up as a site does."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from deploy.errors import MachineLacks
from deploy.vm.image import HOST_NAME, image, require
from deploy.vm.machine import VirtualMachine

from testkit.checkout import ROOT

PACKAGES = ("slurmlens", "slurmlens-hooks", "slurmlens-node", "slurmlens-hub", "slurmlens-relay")
SLURM_CONF = f"""ClusterName=vm
SlurmctldHost={HOST_NAME}
SlurmUser=slurm
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup,task/affinity
JobAcctGatherType=jobacct_gather/cgroup
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PrologFlags=Contain
MpiDefault=none
ReturnToService=2
Prolog=/etc/slurm/prolog.d/*
Epilog=/etc/slurm/epilog.d/*
NodeName={HOST_NAME} CPUs=2 RealMemory=1500 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
CGROUP_CONF = "CgroupPlugin=cgroup/v2\nConstrainCores=yes\nConstrainRAMSpace=yes\nConstrainSwapSpace=yes\n"


# A minute to boot where there is no KVM: these tests are `make test-vm`'s alone.
collect_ignore_glob = [] if os.environ.get("SLURMLENS_VM") else ["test_*.py"]


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    """A Debian 12 with Slurm 22.05 on cgroup v2, our packages installed, nothing of ours started."""
    debs = [*(ROOT / "dist").glob("slurmlens*.deb")]
    if not debs:
        pytest.skip("no packages in dist/: run `make deb`")
    try:
        require()
        virtual = VirtualMachine(image("22.05"), tmp_path_factory.mktemp("vm"))
    except MachineLacks as error:
        pytest.skip(str(error))
    virtual.start()
    try:
        virtual.copy(debs, "/root/dist")
        virtual.run("dpkg -i /root/dist/*.deb")
        yield virtual
    finally:
        virtual.power_off()


@pytest.fixture(scope="session")
def cluster(machine: VirtualMachine) -> VirtualMachine:
    """The same with Slurm running, the hooks in its folders, hub and node daemon started."""
    folders = "/var/lib/slurm/slurmctld /var/lib/slurm/slurmd /var/log/slurm"
    machine.run(f"mkdir -p {folders} /etc/slurm/prolog.d /etc/slurm/epilog.d; chown -R slurm {folders}")
    machine.put(SLURM_CONF, "/etc/slurm/slurm.conf")
    machine.put(CGROUP_CONF, "/etc/slurm/cgroup.conf")
    machine.run("slurmlens setup hub; slurmlens setup node --hub http://127.0.0.1:6830")
    machine.run("systemctl restart slurmlens-hub slurmlens-node; systemctl start slurmctld slurmd")
    machine.until(f"sinfo -h -n {HOST_NAME} -o %t | grep -q idle", 120)
    return machine
