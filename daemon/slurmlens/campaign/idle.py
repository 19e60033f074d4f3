"""What of a campaign would start at once: the idle nodes of its partition, as slurmctld tells them now. Pure.

Fed by `scheduler`, which runs sinfo with `FORMAT`; shown by the command's validate, dry run and status. It is a look,
not a promise: others' jobs wait as well, and a run may ask for more than nodes.
"""

from __future__ import annotations

from typing import NamedTuple

from slurmlens.campaign.settings import Campaign

FORMAT = "%N|%T|%C|%P"
"""A line for each node and partition: name, state, cores `allocated/idle/other/total`, partition with * if default."""


class IdleNow(NamedTuple):
    """Of one partition: nodes that are wholly idle and all, and idle cores, those of shared nodes among them."""

    partition: str
    idle_nodes: int
    nodes: int
    idle_cores: int


def idle_now(told: str, partition: str | None) -> IdleNow | None:
    """Of this partition, else of the default one; None where sinfo names no such partition."""
    lines = [line.split("|") for line in told.splitlines() if line.count("|") == 3]
    own = [
        line for line in lines if (line[3].rstrip("*") == partition if partition is not None else line[3].endswith("*"))
    ]
    if not own:
        return None
    idle = sum(state == "idle" for _, state, _, _ in own)
    cores = sum(_idle_cores(cpus) for _, state, cpus, _ in own if state in ("idle", "mixed"))
    return IdleNow(own[0][3].rstrip("*"), idle, len(own), cores)


def idle_words(idle: IdleNow, campaign: Campaign) -> str:
    """One sentence: what is idle, and how many of the runs that may be at work at once would fit there now."""
    wanted = min(campaign.limits.at_once, campaign.limits.points)
    fit = min(wanted, idle.idle_nodes // max(1, campaign.job.nodes))
    of_nodes = "1 node" if campaign.job.nodes == 1 else f"{campaign.job.nodes} nodes"
    return (
        f"idle now in {idle.partition}: {idle.idle_nodes} of {idle.nodes} nodes, {idle.idle_cores} cores;"
        f" {fit} of {wanted} runs of {of_nodes} would have nodes of their own at once"
    )


def _idle_cores(cpus: str) -> int:
    parts = cpus.split("/")
    return int(parts[1]) if len(parts) == 4 and parts[1].isdigit() else 0
