"""`scontrol -o show node|partition|config` to records: the form before scontrol knew JSON, and of what its JSON leaves
out.

Pure. Fed by `source`, feeds the hub. One line is one thing: `Key=value Key=value`, where values may hold spaces and
even `=` (OS=, Reason=). So only keys of a closed list begin a value, and the first one of a name wins. What people
write into comes last in Slurm's order (Reason, Comment, Extra) and may hold keys itself: from the first of them on no
key but one of these three begins a value, and a Reason goes up to who set it, `[root@2026-01-02T15:02:11]`, where that
is told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from slurmlens.slurm.amounts import MIB, duration_s, utc_s
from slurmlens.slurm.job_fields import node_names, take
from slurmlens.slurm.json_values import cleaned
from slurmlens.slurm.pieces import Pieces, text_lines
from slurmlens.slurm.records import Decoded, NodeRecord, PartitionRecord, Record

_NODE_KEYS = (
    "NodeName|Arch|CoresPerSocket|CPUAlloc|CPUEfctv|CPUTot|CPULoad|AvailableFeatures|ActiveFeatures|Gres|GresDrain|GresUsed"
    "|NodeAddr|NodeHostName|Port|Version|OS|RealMemory|AllocMem|FreeMem|Sockets|Boards|CoreSpecCount|CPUSpecList|MemSpecLimit"
    "|State|ThreadsPerCore|TmpDisk|Weight|Owner|MCS_label|Partitions|NextState|BootTime|SlurmdStartTime|LastBusyTime|CfgTRES"
    "|ResumeAfterTime|AllocTRES|CapWatts|CurrentWatts|AveWatts|ExtSensorsJoules|ExtSensorsWatts|ExtSensorsTemp"
)
_PARTITION_KEYS = (
    "PartitionName|AllowGroups|AllowAccounts|DenyAccounts|AllowQos|DenyQos|AllocNodes|Default|QoS|DefaultTime|DisableRootJobs"
    "|ExclusiveUser|GraceTime|Hidden|MaxNodes|MaxTime|MinNodes|LLN|MaxCPUsPerNode|Nodes|PriorityJobFactor|PriorityTier|RootOnly"
    "|ReqResv|OverSubscribe|OverTimeLimit|PreemptMode|State|TotalCPUs|TotalNodes|SelectTypeParameters|JobDefaults|DefMemPerNode"
    "|DefMemPerCPU|MaxMemPerNode|MaxMemPerCPU|TRES|TRESBillingWeights|Alternate"
)
_NODE_KEY = re.compile(rf"(?:^| )({_NODE_KEYS})=")
_PARTITION_KEY = re.compile(rf"(?:^| )({_PARTITION_KEYS})=")
_FREE_TEXT = re.compile(r" (?:Reason|Comment|Extra)=")
_REASON = re.compile(
    r" Reason=(?P<reason>.*?)(?: \[(?P<by>[^\[\]\s]+)@(?P<since>[^\[\]\s]+)\](?=$| [A-Z]\w*=)|$)", re.DOTALL
)
_CLUSTER = re.compile(r"ClusterName\s*=\s*(\S+)")


def nodes(pieces: Pieces) -> Decoded[NodeRecord]:
    """Nodes of `scontrol -o show node`."""
    return _things(pieces, "NodeName=", _node)


def partitions(pieces: Pieces) -> Decoded[PartitionRecord]:
    """Partitions of `scontrol -o show partition`."""
    return _things(pieces, "PartitionName=", _partition)


def cluster_name(pieces: Pieces) -> str | None:
    """ClusterName of `scontrol show config`; None where it is not there."""
    found = (_CLUSTER.match(line) for line in text_lines(pieces))
    return next((match[1] for match in found if match), None)


def _things(pieces: Pieces, begin: str, read: Callable[[str, Counter[str]], Record]) -> Decoded[Record]:
    """One a line; other lines are passed over."""
    return Decoded.of((line for line in text_lines(pieces) if line.startswith(begin)), read)


def _values(key: re.Pattern[str], line: str) -> dict[str, str]:
    values: dict[str, str] = {}
    starts = list(key.finditer(line))
    ends = [match.start() for match in starts[1:]] + [len(line)]
    for match, end in zip(starts, ends, strict=True):
        values.setdefault(match[1], line[match.end() : end].strip())
    return values


def _node(line: str, unknown: Counter[str]) -> NodeRecord:
    begin = _FREE_TEXT.search(line)
    facts, written = (line, "") if begin is None else (line[: begin.start()], line[begin.start() :].rstrip())
    values, reason = _values(_NODE_KEY, facts), _REASON.search(written)
    states = values.get("State", "").split("+")
    memory, cpus = values.get("RealMemory", ""), values.get("CPUTot", "")
    return NodeRecord(
        name=values["NodeName"],
        address=values.get("NodeAddr"),
        host_name=values.get("NodeHostName"),
        state=states[0].rstrip("*~#!%$@^-") or None,
        state_flags=tuple(states[1:]),
        reason=(cleaned(reason["reason"].strip()) or None) if reason else None,
        partitions=tuple(name for name in values.get("Partitions", "").split(",") if name),
        reason_by=cleaned(reason["by"]) if reason and reason["by"] else None,
        reason_since_s=utc_s(reason["since"]) if reason else None,
        cpu_count=int(cpus) if cpus.isascii() and cpus.isdecimal() and len(cpus) <= 12 else None,
        memory_bytes=int(memory) * MIB if memory.isascii() and memory.isdecimal() and len(memory) <= 12 else None,
        features=tuple(name for name in (_told(values, "ActiveFeatures") or "").split(",") if name),
        gres=_told(values, "Gres"),
        architecture=_told(values, "Arch"),
        operating_system=_told(values, "OS"),
        slurm_version=_told(values, "Version"),
        boot_s=utc_s(values.get("BootTime")),
    )


def _told(values: dict[str, str], key: str) -> str | None:
    """A value; None for what Slurm writes where there is none."""
    value = values.get(key)
    return None if value in (None, "", "(null)", "N/A") else cleaned(str(value))


def _partition(line: str, unknown: Counter[str]) -> PartitionRecord:
    values = _values(_PARTITION_KEY, line)
    return PartitionRecord(
        name=values["PartitionName"],
        state=values.get("State"),
        nodes=take(unknown, "partition.nodes", node_names(values.get("Nodes")), ()),
        is_default=values.get("Default") == "YES",
        time_limit_s=duration_s(values.get("MaxTime")),
    )
