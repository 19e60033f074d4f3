"""`scontrol -o show node|partition` to records: 22.05's scontrol knows no JSON.

Pure. Fed by `source`, feeds the hub. One line is one thing: `Key=value Key=value`, where values may hold spaces and
even `=` (OS=, Reason=, Comment=). So only keys of a closed list begin a value, and the first one of a name wins: what
people can write into comes last in Slurm's order and can't forge what stands before it.
"""

from __future__ import annotations

import re

from slurmlens.slurm.amounts import duration_s
from slurmlens.slurm.hostlist import expand
from slurmlens.slurm.records import Decoded, NodeRecord, PartitionRecord

_MIB = 1024 * 1024
_NODE_KEYS = (
    "NodeName|Arch|CoresPerSocket|CPUAlloc|CPUEfctv|CPUTot|CPULoad|AvailableFeatures|ActiveFeatures|Gres|GresDrain|GresUsed"
    "|NodeAddr|NodeHostName|Port|Version|OS|RealMemory|AllocMem|FreeMem|Sockets|Boards|CoreSpecCount|CPUSpecList|MemSpecLimit"
    "|State|ThreadsPerCore|TmpDisk|Weight|Owner|MCS_label|Partitions|NextState|BootTime|SlurmdStartTime|LastBusyTime|CfgTRES"
    "|AllocTRES|CapWatts|CurrentWatts|AveWatts|ExtSensorsJoules|ExtSensorsWatts|ExtSensorsTemp|Reason|Comment|Extra"
)
_PARTITION_KEYS = (
    "PartitionName|AllowGroups|AllowAccounts|DenyAccounts|AllowQos|DenyQos|AllocNodes|Default|QoS|DefaultTime|DisableRootJobs"
    "|ExclusiveUser|GraceTime|Hidden|MaxNodes|MaxTime|MinNodes|LLN|MaxCPUsPerNode|Nodes|PriorityJobFactor|PriorityTier|RootOnly"
    "|ReqResv|OverSubscribe|OverTimeLimit|PreemptMode|State|TotalCPUs|TotalNodes|SelectTypeParameters|JobDefaults|DefMemPerNode"
    "|DefMemPerCPU|MaxMemPerNode|MaxMemPerCPU|TRES|TRESBillingWeights|Alternate"
)
_NODE_KEY = re.compile(rf"(?:^| )({_NODE_KEYS})=")
_PARTITION_KEY = re.compile(rf"(?:^| )({_PARTITION_KEYS})=")


def nodes(text: str) -> Decoded[NodeRecord]:
    """Nodes of `scontrol -o show node`."""
    lines = [line for line in text.splitlines() if line.startswith("NodeName=")]
    return Decoded(tuple(_node(_values(_NODE_KEY, line)) for line in lines), 0)


def partitions(text: str) -> Decoded[PartitionRecord]:
    """Partitions of `scontrol -o show partition`; one whose host list can't be read is left out and counted."""
    lines = [line for line in text.splitlines() if line.startswith("PartitionName=")]
    return Decoded.of(lines, lambda line: _partition(_values(_PARTITION_KEY, line)))


def _values(key: re.Pattern[str], line: str) -> dict[str, str]:
    values: dict[str, str] = {}
    starts = list(key.finditer(line))
    ends = [match.start() for match in starts[1:]] + [len(line)]
    for match, end in zip(starts, ends, strict=True):
        values.setdefault(match[1], line[match.end() : end].strip())
    return values


def _node(values: dict[str, str]) -> NodeRecord:
    states = values.get("State", "").split("+")
    memory, cpus = values.get("RealMemory", ""), values.get("CPUTot", "")
    return NodeRecord(
        name=values["NodeName"],
        address=values.get("NodeAddr"),
        host_name=values.get("NodeHostName"),
        state=states[0].rstrip("*~#!%$@^-") or None,
        state_flags=tuple(states[1:]),
        reason=values.get("Reason") or None,
        partitions=tuple(name for name in values.get("Partitions", "").split(",") if name),
        cpu_count=int(cpus) if cpus.isdecimal() else None,
        memory_bytes=int(memory) * _MIB if memory.isdecimal() else None,
    )


def _partition(values: dict[str, str]) -> PartitionRecord:
    return PartitionRecord(
        name=values["PartitionName"],
        state=values.get("State"),
        nodes=expand(values.get("Nodes")),
        is_default=values.get("Default") == "YES",
        time_limit_s=duration_s(values.get("MaxTime")),
    )
