"""A document of a log line, and what the hub knows of its job, as one document: pure.

Owns the names that are added: ECS has them below `slurm`; documents of 2015 have fields of their own at the top and a
message in words where a job begins, with the old one in `original_msg`, as that year's system was meant to have them.
Nothing that a document says is taken away; what could not be found out stands in `tags`. Used by `intake.enriching`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slurmlens.hub.logs.enriching import EnrichedLine, KnownJob

NO_LINE = "_slurmlens_no_line"
UNKNOWN_JOB = "_slurmlens_unknown_job"
AWAY = "_slurmlens_away"
NOT_WRITTEN = "_slurmlens_field_in_the_way"

Document = Mapping[str, Any]
Merge = Callable[[Document, EnrichedLine], dict[str, Any]]
_BEGINS = frozenset({"batch_launched"})
"""Kinds of lines that say that a job begins, once a job."""


def with_ecs(document: Document, enriched: EnrichedLine) -> dict[str, Any]:
    """The document with the job, whose it is, its name and how it is known below `slurm`, and the line's kind."""
    line, job = enriched.line, enriched.job
    told = {
        "job_id": line.job_id,
        "array_job_id": line.array_job_id,
        "array_task_id": line.array_task_id,
        "step_id": line.step,
        "sluid": line.sluid,
        "job_source": line.job_source,
        "contradiction": line.contradiction,
        "line_kind": line.kind,
        "job_name": job and job.name,
        "user": job and job.owner.user,
        "account": job and job.owner.account,
        "partition": job and job.owner.partition,
        "nodes": (job and job.nodes) or None,
    }
    known = {name: value for name, value in told.items() if value is not None}
    there = document.get("slurm", {})
    if not isinstance(there, Mapping):
        return tagged(document, NOT_WRITTEN)
    added = {**document, **({"slurm": {**there, **known}} if known else {})}
    return tagged(added, *_tags(enriched))


def with_fields_2015(document: Document, enriched: EnrichedLine) -> dict[str, Any]:
    """The document with the names of 2015, all texts: `slurm_jobid`, `slurm_stepid`, `nodelist`, `masternode` …"""
    line, job = enriched.line, enriched.job
    told: dict[str, Any] = {
        "slurm_jobid": None if line.job_id is None else str(line.job_id),
        "slurm_stepid": line.step,
        "slurm_jobname": job and job.name,
        "slurm_user": job and job.owner.user,
        "slurm_account": job and job.owner.account,
        "slurm_partition": job and job.owner.partition,
        "nodelist": (job and job.nodes) or None,
        "masternode": job and job.first_node,
    }
    added = {**document, **{name: value for name, value in told.items() if value is not None}}
    if job is not None and line.kind in _BEGINS:
        added |= {"message": sentence(job), "original_msg": document.get("message", line.message)}
    return tagged(added, *_tags(enriched))


def sentence(job: KnownJob) -> str:
    """That a job has begun, in the words that were wished for in 2015."""
    owner = f" owned by '{job.owner.user}'" if job.owner.user else ""
    project = f" (Project: {job.owner.account})" if job.owner.account else ""
    return f"Job '{job.name or job.job_id}'{owner}{project} started"


def tagged(document: Document, *tags: str) -> dict[str, Any]:
    """The document with these among its tags."""
    there = document.get("tags", [])
    kept = list(there) if isinstance(there, list) else [there]
    return {**document, "tags": [*kept, *(tag for tag in tags if tag not in kept)]} if tags else dict(document)


def _tags(enriched: EnrichedLine) -> tuple[str, ...]:
    if enriched.job is not None:
        return ()
    if not enriched.was_asked:
        return (AWAY,)
    return () if enriched.line.job_id is None else (UNKNOWN_JOB,)
