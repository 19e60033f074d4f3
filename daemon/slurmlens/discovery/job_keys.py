"""The keys that the predecessor of 2015 kept in Consul's KV, from the scheduler's records of today.

Sans-IO. `slurm/job/ID/{user,group,groupid,clustername,jobpartition,userid,start,nodelist,jobname}` from a job's start,
`end`, `exit_code2` (CODE:SIGNAL) and `derived_ec` from its end; `slurm/partition/NAME/{total_nodes,total_cpus,state,
nodes}`. Times are seconds since the epoch. Invariant: what is not known has no key. Fed by `job_keeper`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from slurmlens.slurm.hostlist import fold
from slurmlens.slurm.records import JobRecord, NodeRecord, PartitionRecord

JOBS = "slurm/job/"
PARTITIONS = "slurm/partition/"

Keys = dict[str, str]
Operation = dict[str, object]


def job_prefix(job_id: int) -> str:
    """The folder of a job's keys."""
    return f"{JOBS}{job_id}/"


def partition_prefix(name: str) -> str:
    """The folder of a partition's keys."""
    return f"{PARTITIONS}{quote(name, safe='')}/"


def job_keys(record: JobRecord, cluster: str) -> Keys:
    """A job's keys, named without their folder; none before it started."""
    if record.start_s is None:
        return {}
    keys = _known(
        user=record.user,
        group=record.group,
        groupid=record.group_id,
        clustername=record.cluster or cluster,
        jobpartition=record.partition,
        userid=record.user_id,
        start=record.start_s,
        nodelist=fold(record.nodes) if record.nodes else None,
        jobname=record.name,
    )
    if record.state.has_ended:
        keys |= _known(end=record.end_s, exit_code2=_exit_text(record), derived_ec=record.derived_exit_code)
    return keys


def partition_keys(record: PartitionRecord, nodes: Mapping[str, NodeRecord]) -> Keys:
    """A partition's keys, named without their folder; its CPUs are those of its nodes."""
    counts = [nodes[name].cpu_count for name in record.nodes if name in nodes]
    is_counted = len(counts) == len(record.nodes) and None not in counts
    return _known(
        total_nodes=len(record.nodes),
        total_cpus=sum(count or 0 for count in counts) if is_counted else None,
        state=record.state,
        nodes=fold(record.nodes) if record.nodes else None,
    )


def changes(prefix: str, wanted: Mapping[str, str], known: Mapping[str, str] | None) -> list[Operation]:
    """One transaction that makes `wanted` of what was `known`, or of whatever is there where that is None."""
    if known is None:
        return [*removal(prefix), *(_set(prefix + name, text) for name, text in wanted.items())]
    sets = [_set(prefix + name, text) for name, text in wanted.items() if known.get(name) != text]
    return sets + [{"Verb": "delete", "Key": prefix + name} for name in known if name not in wanted]


def removal(prefix: str) -> list[Operation]:
    """One transaction that takes a folder away."""
    return [{"Verb": "delete-tree", "Key": prefix}]


def job_ids(folders: Iterable[str]) -> set[int]:
    """Which jobs have keys, from what lies right below `JOBS`."""
    names = (folder.removeprefix(JOBS).removesuffix("/") for folder in folders)
    return {int(name) for name in names if name.isascii() and name.isdigit() and len(name) <= 10}


def _exit_text(record: JobRecord) -> str | None:
    return None if record.exit_code is None else f"{record.exit_code}:{record.exit_signal or 0}"


def _known(**values: str | int | None) -> Keys:
    return {name: str(value) for name, value in values.items() if value is not None}


def _set(key: str, text: str) -> Operation:
    return {"Verb": "set", "Key": key, "Value": base64.b64encode(text.encode("utf-8", "replace")).decode()}
