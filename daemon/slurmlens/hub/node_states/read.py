"""Answers what pages ask of nodes' states and of jobs' GPUs.

Owns the SELECTs on this room's tables. A node's own state may be seen by whoever sees its page; of a job's GPUs each
answer holds what the viewer may see of the job.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, and_, select

from slurmlens.events import GpuState
from slurmlens.hub.access.predicates import visible_sightings
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.tables import sightings
from slurmlens.hub.node_states.facts import JobGpu, NodeStateTold, decode_holding
from slurmlens.hub.node_states.tables import gpu_holdings, node_states

MOST_GPUS = 4_096
_state_decoder = msgspec.json.Decoder(NodeStateTold)
_gpu_decoder = msgspec.json.Decoder(GpuState)


class NodeStateQueries:
    """The read side of this room for one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def of_node(self, viewer: Viewer, node: str) -> NodeStateTold | None:
        """The node's newest state; None where its daemon told none."""
        where = and_(node_states.c.cluster == self._cluster, node_states.c.node == node)

        def work(connection: Connection) -> bytes | None:
            return connection.execute(select(node_states.c.state).where(where)).scalar()

        found = await self._store.read(work)
        return None if found is None else _state_decoder.decode(found)

    async def of_job(self, viewer: Viewer, job_id: int, run: int) -> tuple[JobGpu, ...]:
        """Every GPU that this run of the job has or had, by node and address."""
        same = and_(*(gpu_holdings.c[name] == sightings.c[name] for name in ("cluster", "node", "sighting")))
        query = (
            select(gpu_holdings.c.node, gpu_holdings.c.holding, gpu_holdings.c.gpu)
            .select_from(gpu_holdings.join(sightings, same))
            .where(gpu_holdings.c.cluster == self._cluster, gpu_holdings.c.job_id == job_id, sightings.c.run == run)
            .where(visible_sightings(viewer))
            .limit(MOST_GPUS)
        )

        def work(connection: Connection) -> list[JobGpu]:
            return [
                JobGpu(node=node, holding=decode_holding(holding), gpu=_gpu_decoder.decode(gpu))
                for node, holding, gpu in connection.execute(query)
            ]

        return tuple(sorted(await self._store.read(work), key=lambda one: (one.node, one.gpu.pci, one.holding.uuid)))
