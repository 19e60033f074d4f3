"""What this room knows, as frozen values: what pages are made from."""

from __future__ import annotations

import msgspec

from slurmlens.events import CollectorTrouble, GpuHolding, GpuState, NodeReading, Outsider


class NodeStateTold(msgspec.Struct, frozen=True, kw_only=True):
    """A node's newest state; whose jobs use its GPUs is not in it, for not everybody may know."""

    told_ns: int
    interval_s: float
    readings: tuple[NodeReading, ...] = ()
    troubles: tuple[CollectorTrouble, ...] = ()
    gpus: tuple[GpuState, ...] = ()


class GpuUsedOutside(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A GPU on which somebody computes whom nothing gave it: jobs that were given others, users without a job."""

    uuid: str
    pci: str = ""
    jobs: tuple[int, ...] = ()
    users: tuple[int, ...] = ()


class OutsidersTold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who uses a node, or its GPUs, from outside any allocation, as its daemon told last; for operators alone."""

    node: str = ""
    told_ns: int = 0
    users: tuple[Outsider, ...] = ()
    gpus: tuple[GpuUsedOutside, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether nobody does."""
        return not self.users and not self.gpus


class NodeCourse(msgspec.Struct, frozen=True, kw_only=True):
    """One node over time: bins of `figures.BIN_S`, by their first second; of each figure mean and greatest value."""

    node: str
    begins_s: tuple[int, ...] = ()
    means: dict[str, tuple[float | None, ...]] = {}
    highs: dict[str, tuple[float | None, ...]] = {}


_holding_decoder = msgspec.json.Decoder(GpuHolding)


def decode_holding(blob: bytes) -> GpuHolding:
    """What a row of `gpu_holdings` holds."""
    return _holding_decoder.decode(blob)


class JobGpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU of a run on a node: what the job made of it, and the GPU at that time."""

    node: str
    holding: GpuHolding
    gpu: GpuState
