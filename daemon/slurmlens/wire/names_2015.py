"""The names of 2015: what searches and boards of the ancestor look for, beside our own fields; pure.

Owns which event had a counterpart in 2015 and in what words slurmd told it. Only a job's start and end had; profiles,
summaries and heartbeats carry none of this, so that `type:syslog` does not find hundreds of documents a job. All values
are strings, as grok made them. Invariant: nothing here clashes with a field of ECS; `host`, which was a string in 2015
and is an object in ECS, is not written, its value stands in `logsource`.
Fed by `wire.ecs` where `[events] fields_2015` is set; `docs/events.md` has the table.
"""

from __future__ import annotations

import msgspec

from slurmlens.events import AnyEvent, JobEnd, JobStart

UNSET = msgspec.UNSET
Text = str | msgspec.UnsetType


class Fields2015(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"version": "@version"}):
    """What stands beside `@timestamp`; absent is not known."""

    version: Text = UNSET
    type: Text = UNSET
    logsource: Text = UNSET
    program: Text = UNSET
    message: Text = UNSET
    slurm_jobid: Text = UNSET
    slurm_node_list: Text = UNSET
    slurm_job_exit_code: Text = UNSET


_encode = msgspec.json.Encoder().encode


def fields_2015(event: AnyEvent) -> Fields2015 | None:
    """The old fields of an event, None where 2015 knew no such thing."""
    if not isinstance(event, JobStart | JobEnd):
        return None
    job = event.job
    starts = isinstance(event, JobStart)
    user = "" if job.user_id is None else f" for UID {job.user_id}"
    return Fields2015(
        version="1",
        type="syslog",
        logsource=event.node,
        program="slurmd",
        message=f"Launching batch job {job.job_id}{user}" if starts else f"[{job.job_id}] done with job",
        slurm_jobid=str(job.job_id),
        slurm_node_list=UNSET if job.node_list is None else job.node_list,
        slurm_job_exit_code=UNSET if starts or job.exit_code is None else str(job.exit_code),
    )


def with_fields_2015(document: bytes, event: AnyEvent) -> bytes:
    """An encoded document with the old fields at its end; the same document where there are none."""
    fields = fields_2015(event)
    return document if fields is None else document[:-1] + b"," + _encode(fields)[1:]
