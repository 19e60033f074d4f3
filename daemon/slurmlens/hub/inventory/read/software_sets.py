"""Reads which node had which set of packages, and the sets.

Owns the SELECT over `software_sets`, and the sets that were read lately: a set never changes, so it is kept by its
digest. Used by `read.software` and `read.queries`, inside one transaction of theirs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from threading import Lock

from sqlalchemy import Connection, select

from slurmlens.events import Package
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.inventory.entities import EntityKind, HeldFact
from slurmlens.hub.inventory.questions.software import NodeSet
from slurmlens.hub.inventory.read import facts_at
from slurmlens.hub.inventory.software import PROBLEM_ATTRIBUTES, SET_ATTRIBUTES, unpacked_set
from slurmlens.hub.inventory.tables import software_sets

KEPT_SETS = 128
ATTRIBUTES = (*SET_ATTRIBUTES, *PROBLEM_ATTRIBUTES)


def held_sets(viewer: Viewer, connection: Connection, cluster: str, at_ns: int) -> list[NodeSet]:
    """Which sets all nodes had at a moment."""
    span = at_ns, at_ns
    return node_sets(facts_at.facts_of_kind(viewer, connection, cluster, EntityKind.NODE.value, ATTRIBUTES, span))


def node_sets(facts: Iterable[HeldFact]) -> list[NodeSet]:
    """These facts of one moment as sets; in order of nodes and sources."""
    found: dict[tuple[str, str], dict[str, HeldFact]] = {}
    for fact in facts:
        source = SET_ATTRIBUTES.get(fact.attribute) or PROBLEM_ATTRIBUTES.get(fact.attribute)
        if source is not None:
            found.setdefault((fact.entity.name, source), {})[fact.attribute] = fact
    return [_node_set(node, source, own) for (node, source), own in sorted(found.items())]


def _node_set(node: str, source: str, own: dict[str, HeldFact]) -> NodeSet:
    held = next((fact for name, fact in own.items() if name in SET_ATTRIBUTES), None)
    problem = next((str(fact.value) for name, fact in own.items() if name in PROBLEM_ATTRIBUTES), None)
    if held is None:
        return NodeSet(node=node, source=source, problem=problem)
    return NodeSet(node=node, source=source, digest=str(held.value), since_ns=held.valid_from_ns, problem=problem)


class SoftwareSets:
    """Sets by their digest; safe in several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Package, ...]] = OrderedDict()
        self._lock = Lock()

    def of(self, viewer: Viewer, connection: Connection, digests: Collection[str]) -> dict[str, tuple[Package, ...]]:
        """These sets; one that is not kept any more is left out. The viewer sees a node that has each of them."""
        found: dict[str, tuple[Package, ...]] = {}
        with self._lock:
            for digest in digests:
                if digest in self._kept:
                    self._kept.move_to_end(digest)
                    found[digest] = self._kept[digest]
        for piece in pieces_of(sorted(set(digests) - found.keys())):
            query = select(software_sets.c.digest, software_sets.c.packages).where(software_sets.c.digest.in_(piece))
            found.update((digest, unpacked_set(packages)) for digest, packages in connection.execute(query))
        with self._lock:
            for digest, packages in found.items():
                self._kept[digest] = packages
            while len(self._kept) > KEPT_SETS:
                self._kept.popitem(last=False)
        return found
