"""From which addresses a node may speak to this relay: those of its name, and which nodes are the relay's at all.

The relay does not ask the scheduler (racks of relays would be racks of questions), so a node's name must resolve to its
address here, as slurmd's own host names do. Asked by `runtime.authentication`.
"""

from __future__ import annotations

from slurmlens.clock import Clock
from slurmlens.errors import ConfigError, DecodeError
from slurmlens.runtime.addresses import Addresses, Resolve
from slurmlens.slurm import hostlist as host_list


class RelayOrigins:
    """`nodes` is a hostlist of those it takes events of; None is any."""

    def __init__(
        self, nodes: str | None, clock: Clock, resolve: Resolve | None = None, own: frozenset[str] | None = None
    ) -> None:
        self._nodes = None if nodes is None else nodes_of(nodes)
        self._addresses = Addresses(clock, resolve, own)

    @property
    def known(self) -> bool:
        """Always: the settings say which nodes there are."""
        return True

    def is_ours(self, node: str) -> bool:
        """Whether this relay takes events of the node."""
        return self._nodes is None or node in self._nodes

    async def is_of_node(self, address: str, node: str) -> bool | None:
        """Whether the address is one of the node's name; None where the node is not one of ours."""
        return await self._addresses.has(address, {node}) if self.is_ours(node) else None


def nodes_of(hostlist: str) -> frozenset[str]:
    """The names in a hostlist; ConfigError where it is none. Group syntax ("@rack1") is text here and runs nothing."""
    try:
        return frozenset(host_list.expand(hostlist))
    except DecodeError as error:
        raise ConfigError(f"no hostlist: {error}", key="nodes") from error
