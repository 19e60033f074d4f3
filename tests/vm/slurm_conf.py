"""What a site writes into slurm.conf and cgroup.conf for the one node of the virtual machine."""

from __future__ import annotations

from deploy.vm.image import HOST_NAME

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
# Everything takes many times as long as on a machine of its own.
MessageTimeout=100
BatchStartTimeout=300
UnkillableStepTimeout=600
NodeName={HOST_NAME} CPUs=2 RealMemory=3000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
CGROUP_CONF = "CgroupPlugin=cgroup/v2\nConstrainCores=yes\nConstrainRAMSpace=yes\nConstrainSwapSpace=yes\n"
