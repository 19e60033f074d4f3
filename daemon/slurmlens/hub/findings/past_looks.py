"""Which nodes' past is looked at next: a few at each turn, each node once in `AGAIN_S`, so that no turn is long.

Owns that order. Fed by the stage with the nodes that there are; reads the courses of `node_states`.
"""

from __future__ import annotations

from collections.abc import Collection
from heapq import nsmallest

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.findings.detectors.unlike_itself import READ
from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.hub.node_states.read import NodeStateQueries

AGAIN_S = 3600
NODES_A_TURN = 20


class PastLooks:
    """The looks at one cluster's nodes."""

    def __init__(self, states: NodeStateQueries | None) -> None:
        self._states = states
        self._looked_s: dict[str, int] = {}

    async def next(self, nodes: Collection[str], now_ns: int) -> tuple[NodeCourse, ...]:
        """The past of those that were not looked at for longest, and are due."""
        if self._states is None:
            return ()
        now_s = now_ns // NS_PER_S
        self._looked_s = {node: at_s for node, at_s in self._looked_s.items() if node in nodes}
        due = nsmallest(
            NODES_A_TURN,
            (node for node in nodes if now_s - self._looked_s.get(node, 0) >= AGAIN_S),
            key=lambda node: (self._looked_s.get(node, 0), node),
        )
        if not due:
            return ()
        found = await self._states.same_hours(EVERYBODY, due, READ, now_s)
        self._looked_s.update(dict.fromkeys(due, now_s))
        return found
