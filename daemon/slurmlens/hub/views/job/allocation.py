"""What a run was given: its nodes, and cores and memory of each.

Pure. Fed with `JobFacts`; `usage`, `charts` and `advice` measure against it. The scheduler's record comes first, then
what the hooks said. A node's own share is known exactly only from the hook's SLURM_JOB_CPUS_PER_NODE ("4(x2),2");
without it cores are split evenly where they divide evenly, and are unknown where they do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from slurmlens.errors import DecodeError
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.views.job.view import Allocation
from slurmlens.slurm import hostlist

_GROUP = re.compile(r"(\d+)(?:\(x(\d+)\))?")
_MOST_NODES = 100_000


def allocation_of(facts: JobFacts) -> Allocation:
    """Nodes and cores of the whole run."""
    nodes = node_names(facts)
    return Allocation(node_list=node_list(facts), node_count=_node_count(facts, nodes), cores=_cores(facts))


def node_names(facts: JobFacts) -> tuple[str, ...]:
    """The run's nodes in the scheduler's order; those that only told themselves come last."""
    named = facts.record.nodes if facts.record else ()
    known = set(named)
    told = tuple(node.node for node in facts.nodes if node.node not in known)
    return named + told


def node_list(facts: JobFacts) -> str | None:
    """The nodes as Slurm folds them, `c[1-2]`; None where none is known.

    The scheduler's list is whole; a hook's is the environment's and may be cut short.
    """
    if facts.identity and facts.identity.node_list and not (facts.record and facts.record.nodes):
        return facts.identity.node_list
    return fold(node_names(facts)) or None


def fold(names: Iterable[str]) -> str:
    """`c[1-2]` for c1 and c2; names that no Slurm would allow stay as they are, one after the other."""
    names = tuple(names)
    try:
        return hostlist.fold(names)
    except DecodeError:
        return ",".join(names)


def cores_by_node(facts: JobFacts) -> dict[str, int]:
    """How many cores each node gave; a node whose share is not known is absent."""
    names = node_names(facts)
    told = parse_cpus_per_node(facts.identity.cpus_per_node) if facts.identity and facts.identity.cpus_per_node else ()
    if len(told) == len(names):
        return dict(zip(names, told, strict=True))
    total = _cores(facts)
    if not total or not names or total % len(names):
        return {}
    return dict.fromkeys(names, total // len(names))


def memory_per_node_bytes(facts: JobFacts) -> float | None:
    """What the scheduler allocated on one node, where it allocates memory at all."""
    record = facts.record
    if record is None or not record.memory_bytes:
        return None
    count = record.node_count or len(record.nodes)
    return record.memory_bytes / count if count else None


def parse_cpus_per_node(text: str) -> tuple[int, ...]:
    """`4(x2),2` is (4, 4, 2); anything else than that grammar is empty, for it is a figure we do not know.

    >>> parse_cpus_per_node("4(x2),2")
    (4, 4, 2)
    """
    cores: list[int] = []
    for part in text.split(","):
        match = _GROUP.fullmatch(part.strip())
        times = int(match[2] or 1) if match else 0
        if match is None or len(cores) + times > _MOST_NODES:
            return ()
        cores.extend([int(match[1])] * times)
    return tuple(cores)


def _node_count(facts: JobFacts, nodes: tuple[str, ...]) -> int | None:
    if facts.record and facts.record.node_count:
        return facts.record.node_count
    return len(nodes) or None


def _cores(facts: JobFacts) -> int | None:
    if facts.record and facts.record.cpu_count:
        return facts.record.cpu_count
    if facts.identity and facts.identity.cpus_per_node:
        return sum(parse_cpus_per_node(facts.identity.cpus_per_node)) or None
    return None
