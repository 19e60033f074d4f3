"""Answers what is asked of the software of nodes: what a node has, who has a library in which version, who drifts.

Owns the questions. Each takes a viewer first and `at_ns`, the moment that is asked about; each answer is one consistent
view of the database. Feeds `views` through `web.ports`.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from slurmlens.events import Package
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory.entities import CONTAINS, EntityKind
from slurmlens.hub.inventory.questions.software import (
    DriftReport,
    LibraryVersion,
    NodeSet,
    drift_report,
    library_versions,
)
from slurmlens.hub.inventory.read import facts_at
from slurmlens.hub.inventory.read.software_sets import SoftwareSets, held_sets


class SourceTold(NamedTuple):
    """One source of a node's software: which set, how many nodes have the same, and its packages."""

    held: NodeSet
    nodes: int
    packages: tuple[Package, ...]


class LibraryTold(NamedTuple):
    """Every version of a library; `telling` is how many nodes tell of their software at all."""

    versions: tuple[LibraryVersion, ...]
    telling: int


class SoftwareTold(NamedTuple):
    """All nodes at a moment: which sets they have, and who drifts."""

    held: tuple[NodeSet, ...]
    drift: DriftReport


class SoftwareQueries:
    """The read side of the software of one cluster's nodes."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster
        self._sets = SoftwareSets()

    async def of_node(self, viewer: Viewer, node: str, at_ns: int) -> tuple[SourceTold, ...]:
        """All that a node had, source by source."""

        def question(connection: Connection) -> tuple[SourceTold, ...]:
            everybody = held_sets(viewer, connection, self._cluster, at_ns)
            own = [one for one in everybody if one.node == node]
            sets = self._sets.of(viewer, connection, [one.digest for one in own if one.digest])
            return tuple(SourceTold(one, _sharing(one, everybody), sets.get(one.digest or "", ())) for one in own)

        return await self._store.read(question)

    async def library(self, viewer: Viewer, name: str, at_ns: int) -> LibraryTold:
        """Which versions of what has this name there were, and on which nodes."""

        def question(connection: Connection) -> LibraryTold:
            held = held_sets(viewer, connection, self._cluster, at_ns)
            sets = self._sets.of(viewer, connection, {one.digest for one in held if one.digest})
            return LibraryTold(tuple(library_versions(name, held, sets)), len({one.node for one in held}))

        return await self._store.read(question)

    async def drift(self, viewer: Viewer, at_ns: int) -> SoftwareTold:
        """Which sets there were, and which nodes were not as the others of their partition."""

        def question(connection: Connection) -> SoftwareTold:
            held = held_sets(viewer, connection, self._cluster, at_ns)
            sets = self._sets.of(viewer, connection, {one.digest for one in held if one.digest})
            return SoftwareTold(tuple(held), drift_report(self._groups(viewer, connection, at_ns), held, sets))

        return await self._store.read(question)

    def _groups(self, viewer: Viewer, connection: Connection, at_ns: int) -> dict[str, list[str]]:
        """The nodes of each partition at that moment; of partitions with the same nodes the first."""
        kind, span = EntityKind.PARTITION.value, (at_ns, at_ns)
        groups: dict[str, set[str]] = {}
        for one in facts_at.relations_of_kind(viewer, connection, self._cluster, kind, span):
            if one.relation == CONTAINS and one.other.kind == EntityKind.NODE.value:
                groups.setdefault(one.entity.name, set()).add(one.other.name)
        distinct = {frozenset(groups[name]): name for name in sorted(groups, reverse=True)}
        return {name: sorted(nodes) for nodes, name in distinct.items()}


def _sharing(one: NodeSet, everybody: list[NodeSet]) -> int:
    return sum(other.source == one.source and other.digest == one.digest for other in everybody if other.digest)
