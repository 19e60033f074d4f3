"""Keeps what `node-state` events tell, in history's transaction: the newest of each node, its course, each GPU's use.

Invariants: a telling that is older than what is known changes nothing, whatever order they come in; the state of a
GPU that is kept with a holding names no other job. Runs in the writer's thread; fed by `history.record.storing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.events import GpuState, MachineState
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.history.record.concluding import JobKey, mark_uncharged
from slurmlens.hub.history.record.storing import Keeper
from slurmlens.hub.node_states import tables as schema
from slurmlens.hub.node_states.facts import GpuUsedOutside, NodeStateTold, OutsidersTold
from slurmlens.hub.node_states.figures import BIN_S, FigureBin, joined, pack, told_figures, unpack
from slurmlens.hub.node_states.file_systems import keep_days
from slurmlens.hub.node_states.resource_hours import ResourceTold, keep_hours
from slurmlens.hub.node_states.resources import UseFigures, figures_of

_NODE = ("cluster", "node")
_BIN = (*_NODE, "bin_s")
_HOLDING = ("cluster", "node", "sighting", "uuid")
_encoder = msgspec.json.Encoder()


def keep(transaction: Transaction, told: Sequence[MachineState]) -> set[str]:
    """Keeps these events; the ids of those that told something newer."""
    ordered = sorted(told, key=lambda one: one.time_ns)
    newest = {(event.cluster, event.node): event for event in ordered}
    known = {row[:2]: row[2] for row in transaction.find(schema.node_states, (*_NODE, "told_ns"), _NODE, newest)}
    newer = [event for key, event in newest.items() if event.time_ns > known.get(key, -1)]
    later = [one for one in ordered if one.time_ns > known.get((one.cluster, one.node), -1)]
    states = {one.id: _state_of(one) for one in later}
    use = {number: figures_of(state) for number, state in states.items()}
    rows = [_row(event, "state", _encoder.encode(states[event.id])) for event in newer]
    transaction.put(schema.node_states, _NODE, rows)
    transaction.put(schema.node_figures, _NODE, [_figures_row(event, use[event.id]) for event in newer])
    _keep_courses(transaction, later)
    keep_hours(transaction, [ResourceTold(one.cluster, one.time_ns, use[one.id]) for one in later])
    keep_days(transaction, newer)
    _keep_outsiders(transaction, newer)
    _keep_holdings(transaction, told)
    return {event.id for event in newer}


def _figures_row(event: MachineState, use: UseFigures) -> dict[str, Any]:
    return _row(event, "figures", pack(told_figures(event))) | {"resources": _encoder.encode(use)}


def _row(event: MachineState, column: str, value: bytes) -> dict[str, Any]:
    return {"cluster": event.cluster, "node": event.node, "told_ns": event.time_ns, column: value}


def _keep_courses(transaction: Transaction, told: Sequence[MachineState]) -> None:
    """Each telling in its bin; those of one node come in their order, so none is counted twice."""
    bins: dict[tuple[str, str, int], FigureBin] = {}
    last: dict[tuple[str, str, int], MachineState] = {}
    for event in told:
        key = (event.cluster, event.node, event.time_ns // NS_PER_S // BIN_S * BIN_S)
        before, own = bins.get(key), told_figures(event)
        bins[key], last[key] = own if before is None else joined(before, own), event
    for *key_parts, blob in transaction.find(schema.node_courses, (*_BIN, "figures"), _BIN, bins):
        key = (key_parts[0], key_parts[1], key_parts[2])
        bins[key] = joined(unpack(blob), bins[key])
    rows = [_row(last[key], "figures", pack(own)) | {"bin_s": key[2]} for key, own in bins.items()]
    transaction.put(schema.node_courses, _BIN, rows)


def _keep_outsiders(transaction: Transaction, newer: Sequence[MachineState]) -> None:
    """A row where somebody is outside, none where nobody is any more."""
    rows, nobody = [], []
    for event in newer:
        gpus = tuple(
            GpuUsedOutside(uuid=gpu.uuid, pci=gpu.pci, jobs=gpu.outsiders, users=gpu.strangers)
            for gpu in event.gpus
            if gpu.outsiders or gpu.strangers
        )
        outsiders = OutsidersTold(users=event.outsiders, gpus=gpus)
        if outsiders.is_nothing:
            nobody.append((event.cluster, event.node))
        else:
            rows.append(_row(event, "outsiders", _encoder.encode(outsiders)))
    transaction.put(schema.node_outsiders, _NODE, rows)
    transaction.take_away(schema.node_outsiders, _NODE, nobody)


def _state_of(event: MachineState) -> NodeStateTold:
    return NodeStateTold(
        told_ns=event.time_ns,
        interval_s=event.interval_s,
        readings=event.readings,
        troubles=event.troubles,
        gpus=tuple(_unnamed(gpu) for gpu in event.gpus),
    )


def _unnamed(gpu: GpuState) -> GpuState:
    """Without who uses it from outside: that is for operators (`node_outsiders`)."""
    return msgspec.structs.replace(gpu, outsiders=(), strangers=())


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
