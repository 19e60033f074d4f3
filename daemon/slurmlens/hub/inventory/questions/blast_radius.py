"""Who is touched by an entity: the jobs that ran there at a moment, whose they are, and what goes with them. Pure.

Fed by `read.queries` with the nodes below the entity and the runs that were there; feeds views.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.runs import PlacedRun


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody or something with jobs there: how many."""

    name: str
    jobs: int


class BlastRadius(msgspec.Struct, frozen=True, kw_only=True):
    """What is touched where an entity fails. Counts are of what the viewer may see; `has_more` where a bound cut them.

    `nodes` are those below the entity; `nodes_touched` all nodes of the jobs, which are lost with their job's.
    """

    entity: Entity
    at_ns: int
    nodes: tuple[str, ...]
    nodes_touched: tuple[str, ...]
    jobs: tuple[PlacedRun, ...]
    users: tuple[Touched, ...]
    accounts: tuple[Touched, ...]
    partitions: tuple[Touched, ...]
    has_more: bool = False


def blast_radius(entity: Entity, at_ns: int, nodes: Sequence[str], runs: Sequence[PlacedRun], most: int) -> BlastRadius:
    """Sums the runs up; `most` is the bound with which they were asked for."""
    return BlastRadius(
        entity=entity,
        at_ns=at_ns,
        nodes=tuple(nodes),
        nodes_touched=tuple(sorted({node for run in runs for node in run.nodes})),
        jobs=tuple(runs),
        users=_counted(run.user for run in runs),
        accounts=_counted(run.account for run in runs),
        partitions=_counted(run.partition for run in runs),
        has_more=len(runs) >= most,
    )


def _counted(names: Iterable[str | None]) -> tuple[Touched, ...]:
    counted = Counter(name for name in names if name)
    return tuple(
        Touched(name=name, jobs=jobs) for name, jobs in sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    )
