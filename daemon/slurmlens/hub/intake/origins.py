"""From which addresses a node may send: those that the scheduler gives for it (NodeAddr); a relay: those of its name.

Hears of the scheduler's nodes in `news`, when it is asked; asked by `runtime.authentication`, which the pipeline wires.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from slurmlens.clock import Clock
from slurmlens.hub.news import News, NodesReceived
from slurmlens.runtime.addresses import Addresses, Resolve
from slurmlens.slurm.records import NodeRecord


class NodeOrigins:
    """Addresses by node name; `relays` are hosts that need not be nodes."""

    def __init__(
        self,
        news: News,
        clock: Clock,
        resolve: Resolve | None = None,
        own: frozenset[str] | None = None,
        relays: Collection[str] = (),
    ) -> None:
        self._addresses = Addresses(clock, resolve, own)
        self._heard = news.subscribe(NodesReceived)
        self._nodes: Mapping[str, NodeRecord] = {}
        self._relays = frozenset(relays)

    @property
    def known(self) -> bool:
        """Whether the scheduler has given its nodes yet."""
        return bool(self._latest())

    def replace(self, records: Iterable[NodeRecord]) -> None:
        """Takes the scheduler's nodes."""
        self._nodes = {record.name: record for record in records}

    async def is_of_node(self, address: str, node: str) -> bool | None:
        """Whether the address is one of the node's, or the relay's; None where there is no such node."""
        record = self._latest().get(node)
        if record is None and node not in self._relays:
            return None
        told = {name for name in (record.address, record.host_name) if name} if record else set()
        return await self._addresses.has(address, told or {node})

    def _latest(self) -> Mapping[str, NodeRecord]:
        for fact in self._heard.take_all():
            if isinstance(fact, NodesReceived):
                self.replace(fact.records)
        return self._nodes
