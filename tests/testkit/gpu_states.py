"""What a node tells of one GPU of a job, for tests of those who hear it."""

from __future__ import annotations

from slurmlens.events import GpuHolding, GpuState, MachineState
from testkit.told_events import Told, at_ns


def gpu_state(
    told: Told,
    seconds: float,
    *,
    uuid: str = "GPU-1",
    seen_s: float = 0.0,
    busy_s: float = 0.0,
    idle_s: float = 0.0,
    is_shared: bool = False,
    has_ended: bool = False,
    outsiders: tuple[int, ...] = (),
) -> MachineState:
    """A telling so many seconds after the begin."""
    start = told.start(1)
    holding = GpuHolding(
        uuid=uuid,
        sighting=start.sighting,
        job_id=start.job.job_id,
        by="cgroup",
        since_ns=start.time_ns,
        told_ns=at_ns(seconds),
        seen_s=seen_s,
        busy_s=busy_s,
        idle_s=idle_s,
        is_shared=is_shared,
        has_ended=has_ended,
    )
    return MachineState(
        id=f"gpu-{start.sighting}-{uuid}-{seconds}",
        time_ns=at_ns(seconds),
        boot_id=start.boot_id,
        boottime_ns=1,
        cluster=start.cluster,
        node=start.node,
        interval_s=60.0,
        gpus=(GpuState(uuid=uuid, pci="0000:41:00.0", outsiders=outsiders),),
        holdings=(holding,),
    )
