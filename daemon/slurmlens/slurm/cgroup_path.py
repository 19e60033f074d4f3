"""Which job a cgroup's path names, by the folders that Slurm makes and by those alone: pure.

`/slurm_NODE/uid_1000/job_7/step_0` on v1, `/system.slice/NODE_slurmstepd.scope/job_7/step_0` on v2
(cgroup_v1(5), cgroup_v2 plugin of Slurm). Where a path itself can be looked at, `cgroup.layout` knows more; this is for
paths that were told and are gone. Used by who reads log lines, on nodes and at the hub.
"""

from __future__ import annotations

import re

from slurmlens.log_lines import JobMention

_PATH = re.compile(
    r"/(?:[^/]+/)?[^/]*(?:slurmstepd\.scope|slurm[^/]*/uid_\d{1,10})/job_(\d{1,10})(?:/step_(\w{1,20}))?(?:/|$)"
)


def job_in_path(path: str) -> JobMention | None:
    """Job and step; None where it is no folder of Slurm's, whatever a user named below his own."""
    inside = _PATH.match(path)
    return None if inside is None else JobMention(job_id=int(inside[1]), step=inside[2])
