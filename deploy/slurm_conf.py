"""The texts of slurm.conf, slurmdbd.conf and cgroup.conf for one small Slurm. Pure: a `Settings` in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy import cgroups
from deploy.cgroups import Choice
from deploy.hardware import NodeShape

HEXADECIMAL = 16


@dataclass(frozen=True)
class Node:
    """One slurmd: its NodeName and the port it listens on."""

    name: str
    port: int


@dataclass(frozen=True)
class Settings:
    """What differs between two instances."""

    folder: Path
    host_name: str
    cluster: str
    nodes: tuple[Node, ...]
    controller_port: int
    database_port: int
    shape: NodeShape
    cgroup: Choice
    prolog: Path | None = None
    epilog: Path | None = None
    extra: str = ""
    accounting_frequency_s: int = field(default=5)


def is_odd(node_name: str) -> bool:
    """The partition rule of the demo cluster: the last character as a hexadecimal digit; others count as even."""
    try:
        return int(node_name[-1], HEXADECIMAL) % 2 == 1
    except ValueError:
        return False


def slurm_conf(settings: Settings) -> str:
    """The text of slurm.conf."""
    return "\n".join(
        [
            *_controller(settings),
            *_behaviour(settings),
            cgroups.plugin_lines(settings.cgroup),
            *_nodes(settings),
            *_partitions(settings.nodes),
            settings.extra,
            "",
        ]
    )


def slurmdbd_conf(settings: Settings) -> str:
    """The text of slurmdbd.conf: MariaDB over its unix socket as user slurm."""
    lines = [
        "AuthType=auth/munge",
        f"DbdHost={settings.host_name}",
        "DbdAddr=127.0.0.1",
        f"DbdPort={settings.database_port}",
        "SlurmUser=slurm",
        "StorageType=accounting_storage/mysql",
        "StorageHost=localhost",
        "StorageUser=slurm",
        f"PidFile={settings.folder}/slurm/slurmdbd.pid",
        "DebugLevel=info",
        "",
    ]
    return "\n".join(lines)


def _controller(settings: Settings) -> list[str]:
    work = f"{settings.folder}/slurm"
    return [
        f"ClusterName={settings.cluster}",
        f"SlurmctldHost={settings.host_name}(127.0.0.1)",
        f"SlurmctldPort={settings.controller_port}",
        "SlurmUser=slurm",
        "AuthType=auth/munge",
        f"StateSaveLocation={work}/state",
        f"SlurmctldPidFile={work}/slurmctld.pid",
        f"SlurmdSpoolDir={work}/spool.%n",
        f"SlurmdPidFile={work}/slurmd.%n.pid",
        f"SlurmctldLogFile={work}/log/slurmctld.log",
        f"SlurmdLogFile={work}/log/slurmd.%n.log",
        "MailProg=/bin/true",
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=127.0.0.1",
        f"AccountingStoragePort={settings.database_port}",
    ]


def _behaviour(settings: Settings) -> list[str]:
    hooks = [("Prolog", settings.prolog), ("Epilog", settings.epilog)]
    return [
        "PrologFlags=Contain",
        *(f"{key}={path}" for key, path in hooks if path is not None),
        "MpiDefault=none",
        "ReturnToService=2",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=bf_interval=2,sched_min_interval=20000,batch_sched_delay=0",
        "SlurmdParameters=config_overrides",
        f"JobAcctGatherFrequency=task={settings.accounting_frequency_s}",
        "MinJobAge=300",
        "KillWait=5",
        "UnkillableStepTimeout=120",
        "SlurmctldDebug=info",
        "SlurmdDebug=info",
    ]


def _nodes(settings: Settings) -> list[str]:
    has = settings.shape
    shape = f"CPUs={has.cpus} Sockets=1 CoresPerSocket={has.cores} ThreadsPerCore={has.threads_per_core}"
    shape += f" RealMemory={has.memory_mib} State=UNKNOWN"
    where = f"NodeHostname={settings.host_name} NodeAddr=127.0.0.1"
    return [f"NodeName={node.name} {where} Port={node.port} {shape}" for node in settings.nodes]


def _partitions(nodes: Sequence[Node]) -> list[str]:
    names = [node.name for node in nodes]
    chosen = {
        "all": names,
        "odd": [name for name in names if is_odd(name)],
        "even": [name for name in names if not is_odd(name)],
    }
    options = "State=UP MaxTime=INFINITE DefMemPerCPU=256"
    return [
        f"PartitionName={partition} Nodes={','.join(members)} Default={'YES' if partition == 'all' else 'NO'} {options}"
        for partition, members in chosen.items()
        if members
    ]
