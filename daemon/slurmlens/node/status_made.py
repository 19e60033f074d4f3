"""Parts of the node's status, made of what the daemon's stages have: for `pipeline`, apart from the document's types,
which the command line imports without them."""

from __future__ import annotations

from slurmlens.node.registry.sighting import Sighting
from slurmlens.node.sampler.engine import Engine
from slurmlens.node.status import JobStatus, SamplerStatus


def job_status(one: Sighting) -> JobStatus:
    """A job as the registry has it."""
    return JobStatus(
        job_id=one.job.job_id,
        sighting=one.key,
        phase=one.phase.value,
        slot=one.slot,
        cgroups=len(one.cgroups),
        since_ns=one.start.wall_ns,
    )


def sampler_status(engine: Engine) -> SamplerStatus:
    """The sampler, asked in its own thread."""
    cost = engine.schedule.cost()
    return SamplerStatus(
        interval_s=engine.schedule.interval_s,
        cgroups=engine.cgroups,
        cost_share=cost.share,
        budget_share=cost.budget_share,
        last_tick_s=cost.last_tick_s,
        longest_tick_s=cost.longest_tick_s,
        ticks=cost.ticks,
        missed_ticks=cost.missed_ticks,
        thinning=cost.thinning,
        profile_bytes=engine.profile_bytes,
    )
