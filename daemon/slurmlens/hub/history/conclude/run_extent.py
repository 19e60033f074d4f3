"""What one run had: its nodes, cores, GPUs and memory, how long it ran, and how long it was allowed to: pure.

Owns `RunExtent` and the one function that makes it. Every figure that compares what a run used with what it had (a
page, a row of the list, CSV, charts, advice, the headline) takes what it had from here.
Fed with the scheduler's record and what the hooks reported of the job; the record comes first. A node's own share of
the cores is known exactly only from the hook's SLURM_JOB_CPUS_PER_NODE ("4(x2),2"); without it cores are split evenly
where they divide evenly, and are unknown where they do not. A list that the hook had to cut is never counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError
from slurmlens.events import JobIdentity
from slurmlens.hub.history.conclude.executions import VANISHED
from slurmlens.slurm import hostlist
from slurmlens.slurm.records import JobRecord, JobState

_GROUP = re.compile(r"(\d+)(?:\(x(\d+)\))?")
_MOST_NODES = 100_000
_GPU = "gres/gpu"
_NO_HOOKS = JobIdentity(job_id=1)
"""Says nothing: where no hook reported anything."""


class RunExtent(msgspec.Struct, frozen=True, kw_only=True):
    """What a run had. None is not known, never 0.

    `node_list` is how people read the nodes ("c[1-2]"); where `node_list_is_cut` it is the beginning of a longer list.
    `memory_bytes` is what was given on all nodes together, `memory_asked_bytes` what was asked for.
    `ran_s` is without the time for which the job stood suspended; of a run that goes on it reaches to now.
    """

    is_over: bool
    nodes: tuple[str, ...] = ()
    node_list: str | None = None
    node_list_is_cut: bool = False
    node_count: int | None = None
    cores: int | None = None
    cores_by_node: Mapping[str, int] = MappingProxyType({})
    gpus: int | None = None
    memory_bytes: int | None = None
    memory_asked_bytes: int | None = None
    ran_s: float | None = None
    suspended_s: float = 0.0
    limit_s: float | None = None

    @property
    def memory_per_node_bytes(self) -> float | None:
        """What the scheduler gave on one node, where it gives memory out at all."""
        return self.memory_bytes / self.node_count if self.memory_bytes and self.node_count else None

    def limit_ns(self, start_ns: int | None) -> int | None:
        """When a run that began then will be ended at the latest; time that it stood suspended does not count."""
        if start_ns is None or self.limit_s is None:
            return None
        return start_ns + round((self.limit_s + self.suspended_s) * NS_PER_S)

    @property
    def core_s(self) -> float | None:
        """Core-seconds of the whole run, against which CPU time is measured in every view."""
        return None if self.ran_s is None or not self.cores else self.cores * self.ran_s

    @property
    def gpu_s(self) -> float | None:
        """GPU-seconds of the whole run."""
        return None if self.ran_s is None or not self.gpus else self.gpus * self.ran_s

    def core_s_of(self, node: str) -> float | None:
        """Core-seconds that one node gave."""
        cores = self.cores_by_node.get(node)
        return None if self.ran_s is None or not cores else cores * self.ran_s


def run_extent(
    state: JobState,
    record: JobRecord | None,
    identity: JobIdentity | None,
    *,
    reporting: Iterable[str],
    start_ns: int | None,
    end_ns: int | None,
    now_ns: int,
) -> RunExtent:
    """What a run had by the scheduler's `record` and by what hooks reported; `reporting` are the nodes that did."""
    over = is_run_over(state, record, end_ns)
    nodes = tuple(dict.fromkeys((*(record.nodes if record else ()), *reporting)))
    hooks = identity or _NO_HOOKS
    count = node_count_of(record) or hooks.node_count or len(nodes) or None
    listed, is_cut = _node_list(record, hooks, nodes, count)
    per_node = parse_cpus_per_node(hooks.cpus_per_node) if _is_whole(hooks, "cpus_per_node") else ()
    cores = (record.cpu_count if record else None) or sum(per_node) or None
    suspended_s = float(record.suspended_s or 0) if record else 0.0
    return RunExtent(
        is_over=over,
        nodes=nodes,
        node_list=listed,
        node_list_is_cut=is_cut,
        node_count=count,
        cores=cores,
        cores_by_node=_cores_by_node(nodes, count, cores, _by_name(record, hooks, per_node)),
        gpus=gpus_of(record),
        memory_bytes=(record.memory_bytes if record else None) or None,
        memory_asked_bytes=(record.requested_memory_bytes if record else None) or None,
        ran_s=_ran_s(start_ns, end_ns if over else now_ns, suspended_s),
        suspended_s=suspended_s,
        limit_s=float(record.time_limit_s) if record and record.time_limit_s else None,
    )


def is_run_over(state: JobState, record: JobRecord | None, end_ns: int | None) -> bool:
    """Whether a run is over; of an unknown state the times decide, or that the scheduler knows it no more."""
    if state is not JobState.UNKNOWN:
        return state.has_ended
    return end_ns is not None or (record is not None and VANISHED in record.state_flags)


def node_count_of(record: JobRecord | None) -> int | None:
    """How many nodes the scheduler gave, or is asked for."""
    return None if record is None else record.node_count or len(record.nodes) or None


def gpus_of(record: JobRecord | None) -> int | None:
    """How many GPUs the scheduler gave; by their types where it names no sum."""
    if record is None:
        return None
    by_type = sum(count for name, count in record.tres.items() if name.startswith(f"{_GPU}:"))
    return record.tres.get(_GPU) or by_type or None


def parse_cpus_per_node(text: str | None) -> tuple[int, ...]:
    """`4(x2),2` is (4, 4, 2); anything else than that grammar is empty, for it is a figure that is not known.

    >>> parse_cpus_per_node("4(x2),2")
    (4, 4, 2)
    """
    cores: list[int] = []
    for part in (text or "").split(","):
        match = _GROUP.fullmatch(part.strip())
        times = int(match[2] or 1) if match else 0
        if match is None or len(cores) + times > _MOST_NODES:
            return ()
        cores.extend([int(match[1])] * times)
    return tuple(cores)


def _node_list(
    record: JobRecord | None, hooks: JobIdentity, nodes: tuple[str, ...], node_count: int | None
) -> tuple[str | None, bool]:
    """The nodes as Slurm folds them, and whether the list is cut: the scheduler's is whole, a hook's may not be.

    Where there is neither, the nodes that reported the run are some of its nodes.
    """
    if record is not None and record.nodes:
        return hostlist.fold_or_list(nodes), False
    if hooks.node_list is None:
        is_part = bool(nodes) and (node_count or 0) > len(nodes)
        return (hostlist.fold_or_list(nodes) + (",…" if is_part else "")) or None, is_part
    if _is_whole(hooks, "node_list"):
        return hooks.node_list, False
    begin, comma, _ = hooks.node_list.rpartition(",")
    return f"{begin}{comma}…", True


def _is_whole(hooks: JobIdentity, field: str) -> bool:
    return field not in hooks.cut


def _by_name(record: JobRecord | None, hooks: JobIdentity, per_node: tuple[int, ...]) -> dict[str, int]:
    """Cores by node where a list of names stands beside the list of cores: Slurm pairs the two by position."""
    names = record.nodes if record else ()
    if not names and per_node and _is_whole(hooks, "node_list"):
        try:
            names = hostlist.expand(hooks.node_list)
        except DecodeError:
            return {}
    return dict(zip(names, per_node, strict=True)) if len(names) == len(per_node) else {}


def _cores_by_node(
    nodes: tuple[str, ...], node_count: int | None, cores: int | None, by_name: dict[str, int]
) -> dict[str, int]:
    """How many cores each node gave; a node whose share is not known is absent."""
    if by_name:
        return {name: by_name[name] for name in nodes if name in by_name}
    if not cores or not nodes or not node_count or cores % node_count:
        return {}
    return dict.fromkeys(nodes, cores // node_count)


def _ran_s(start_ns: int | None, until_ns: int | None, suspended_s: float) -> float | None:
    """A clock that went back makes 0 of it, never a negative figure."""
    if start_ns is None or until_ns is None:
        return None
    return max(0.0, (until_ns - start_ns) / NS_PER_S - suspended_s)
