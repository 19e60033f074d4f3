"""Keeps what `node-state` events tell, in history's transaction: the newest of each node, each GPU of each sighting.

Invariants: a telling that is older than what is known changes nothing, whatever order they come in; the state of a
GPU that is kept with a holding names no other job. Runs in the writer's thread; fed by `history.record.storing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from slurmlens.events import GpuState, MachineState
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.history.record.concluding import JobKey, mark_uncharged
from slurmlens.hub.history.record.storing import Keeper
from slurmlens.hub.node_states import tables as schema
from slurmlens.hub.node_states.facts import NodeStateTold

_NODE = ("cluster", "node")
_HOLDING = ("cluster", "node", "sighting", "uuid")
_encoder = msgspec.json.Encoder()


def keep(transaction: Transaction, told: Sequence[MachineState]) -> set[str]:
    """Keeps these events; the ids of those that told something newer."""
    newest: dict[tuple[str, str], MachineState] = {}
    for event in sorted(told, key=lambda one: one.time_ns):
        newest[event.cluster, event.node] = event
    known = {row[:2]: row[2] for row in transaction.find(schema.node_states, (*_NODE, "told_ns"), _NODE, newest)}
    newer = [event for key, event in newest.items() if event.time_ns > known.get(key, -1)]
    transaction.put(schema.node_states, _NODE, [_state_row(event) for event in newer])
    _keep_holdings(transaction, told)
    return {event.id for event in newer}


def _state_row(event: MachineState) -> dict[str, Any]:
    state = NodeStateTold(
        told_ns=event.time_ns,
        interval_s=event.interval_s,
        readings=event.readings,
        troubles=event.troubles,
        gpus=tuple(_unnamed(gpu) for gpu in event.gpus),
    )
    return {"cluster": event.cluster, "node": event.node, "told_ns": event.time_ns, "state": _encoder.encode(state)}


def _unnamed(gpu: GpuState) -> GpuState:
    """Without the jobs that use it from outside: their ids are those jobs' owners' business."""
    return msgspec.structs.replace(gpu, outsiders=())


def _keep_holdings(transaction: Transaction, told: Sequence[MachineState]) -> None:
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    ended: set[tuple[str, ...]] = set()
    for event in sorted(told, key=lambda one: one.time_ns):
        gpus = {gpu.uuid: gpu for gpu in event.gpus}
        for one in event.holdings:
            gpu = _unnamed(gpus.get(one.uuid) or GpuState(uuid=one.uuid))
            if one.has_ended:
                ended.add((event.cluster, event.node, one.sighting, one.uuid))
            rows[event.cluster, event.node, one.sighting, one.uuid] = {
                "cluster": event.cluster,
                "node": event.node,
                "sighting": one.sighting,
                "uuid": one.uuid,
                "job_id": one.job_id,
                "told_ns": event.time_ns,
                "holding": _encoder.encode(one),
                "gpu": _encoder.encode(gpu),
            }
    found = transaction.find(schema.gpu_holdings, (*_HOLDING, "told_ns"), _HOLDING, rows)
    known = {row[:4]: row[4] for row in found}
    newer = {key: row for key, row in rows.items() if row["told_ns"] > known.get(key, -1)}
    transaction.put(schema.gpu_holdings, _HOLDING, list(newer.values()))
    over = {JobKey(row["cluster"], row["job_id"]) for key, row in newer.items() if key in ended}
    if over:  # what the run made of its GPUs is told after its end: usage looks at it again
        mark_uncharged(transaction, over, max(event.time_ns for event in told))


KEEPER = Keeper((MachineState,), keep)
