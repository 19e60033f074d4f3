"""What this room knows, as frozen values: what pages are made from."""

from __future__ import annotations

import msgspec

from slurmlens.events import CollectorTrouble, GpuHolding, GpuState, NodeReading


class NodeStateTold(msgspec.Struct, frozen=True, kw_only=True):
    """A node's newest state; whose jobs use its GPUs is not in it, for not everybody may know."""

    told_ns: int
    interval_s: float
    readings: tuple[NodeReading, ...] = ()
    troubles: tuple[CollectorTrouble, ...] = ()
    gpus: tuple[GpuState, ...] = ()


_holding_decoder = msgspec.json.Decoder(GpuHolding)


def decode_holding(blob: bytes) -> GpuHolding:
    """What a row of `gpu_holdings` holds."""
    return _holding_decoder.decode(blob)


class JobGpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU of a run on a node: what the job made of it, and the GPU at that time."""

    node: str
    holding: GpuHolding
    gpu: GpuState
