"""What a line says and which job it names by itself, before anybody is asked: pure.

Owns the order of what is believed. A job is known by the sender's own word (a node's daemon knows its cgroups), by the
cgroup that journald tells or that stands in a kernel line, by Slurm's own words, by the tag `slurm_<jobid>` that a job
script may log under. A tag is the client's word: where the cgroup says another job, both are kept and the line says so.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.log_lines import JobMention, JobSource, LineFact, LogLine, Severity
from slurmlens.slurm import job_words, kernel_lines, log_kinds
from slurmlens.slurm.cgroup_path import job_in_path
from slurmlens.slurm.job_mentions import first_mention
from slurmlens.slurm.log_envelope import SlurmLine, open_envelope
from slurmlens.wire.log_documents import EARLIEST_NS, MOST_AHEAD_NS

_DAEMON = re.compile(r"(slurmctld|slurmd|slurmstepd|slurmdbd|srun|slurmscriptd)(?:-[\w.-]{1,255})?")
_TAG = re.compile(r"slurm_(\d{1,10})")
_STARTS_WITH_TIME = re.compile(r"(sched: )?\[[^\]\n]{1,80}\] ")


def understood(line: LogLine, zone: tzinfo = UTC) -> LogLine:
    """The line with its kind, its fields and the job that it names; as it was where nothing is to be understood."""
    tag = _TAG.fullmatch(line.program or "")
    envelope = _envelope(line, zone)
    is_jobs = (
        tag is not None
        or line.job_source in (JobSource.CGROUP, JobSource.PROCESS)
        or job_in_path(line.cgroup or "") is not None
    )
    fact = _fact(line, envelope, is_own=is_jobs and line.contradiction is None)
    named = _named(line, envelope, fact, tag)
    changes: dict[str, object] = {}
    if envelope is not None:
        changes["program"] = envelope.program or line.program
        changes["severity"] = (
            min(line.severity, envelope.severity.value) if line.severity != Severity.INFO else (envelope.severity.value)
        )
        if envelope.time_ns is not None and EARLIEST_NS <= envelope.time_ns <= line.time_ns + MOST_AHEAD_NS:
            changes["time_ns"] = envelope.time_ns  # anybody can log what looks like a line of Slurm's, of any year
    if fact is not None and fact.kind:
        changes["kind"] = fact.kind
        about = {"nodes": fact.nodes} if fact.nodes else {}
        changes["fields"] = {**line.fields, **about, **fact.fields}
    changes.update(named)
    return msgspec.structs.replace(line, **changes) if changes else line


def _envelope(line: LogLine, zone: tzinfo) -> SlurmLine | None:
    """The envelope of a line of Slurm's, by the program's name or by what the line looks like."""
    is_slurms = _DAEMON.fullmatch(line.program or "") is not None
    if not is_slurms and not _STARTS_WITH_TIME.match(line.message) and not line.message.startswith("slurm"):
        return None
    opened = open_envelope(line.message, zone, datetime.fromtimestamp(line.time_ns / NS_PER_S, UTC))
    if not is_slurms and opened.program is None and opened.time_ns is None:
        return None
    return opened


def _fact(line: LogLine, envelope: SlurmLine | None, *, is_own: bool) -> LineFact | None:
    if envelope is not None:
        fact = log_kinds.understand(envelope.text)
        if fact is None and (mention := first_mention(envelope.text)) is not None:
            return LineFact("", mention)
        return fact
    if line.program == "kernel" or line.facility == 0:
        return kernel_lines.understand(line.message)
    return job_words.understand(line.message) if is_own else None


def _named(
    line: LogLine, envelope: SlurmLine | None, fact: LineFact | None, tag: re.Match[str] | None
) -> dict[str, object]:
    """The job, the surest word first, and what contradicts it."""
    told: list[tuple[JobSource, JobMention]] = []
    if line.job_id is not None and line.job_source is not None:
        told.append((line.job_source, JobMention(job_id=line.job_id, step=line.step)))
    cgroup = line.cgroup or (str(fact.fields["cgroup"]) if fact is not None and "cgroup" in fact.fields else "")
    if (inside := job_in_path(cgroup)) is not None:
        told.append((JobSource.CGROUP, inside))
    mentions = (envelope.step if envelope else None, fact.job if fact else None)
    told += [(JobSource.TEXT, mention) for mention in mentions if mention is not None]
    if tag is not None and line.contradiction is None:  # its node said that another user wrote it
        told.append((JobSource.TAG, JobMention(job_id=int(tag[1]))))
    if line.job_id is not None and line.job_source is None:
        told.append((JobSource.TAG, JobMention(job_id=line.job_id, step=line.step)))
    if not told:
        return {}
    source, first = told[0]
    others = [] if line.contradiction is None else [line.contradiction]
    others += [f"{by.value} says job {one.job_id}" for by, one in told[1:] if _differs(first, one)]
    return {
        "job_id": first.job_id,
        "array_job_id": first.array_job_id,
        "array_task_id": first.array_task_id,
        "step": first.step or next((one.step for _, one in told if one.step and not _differs(first, one)), None),
        "sluid": first.sluid,
        "job_source": source,
        "contradiction": "; ".join(others) or None,
    }


def _differs(one: JobMention, other: JobMention) -> bool:
    return None not in (one.job_id, other.job_id) and one.job_id != other.job_id
