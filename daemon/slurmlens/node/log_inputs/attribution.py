"""Whose line it is: the job that a node knows of its own lines, by the kernel's word before the sender's.

Owns the order. A cgroup of a job's (the journal's entry says which) is the kernel's word; a process id that the kernel
told (the log socket) is looked up in /proc now, which is right unless the process ended and its number was given away;
a SLUID in the words of slurmd is known from the job that runs here. A tag `slurm_<jobid>` is the client's word: it
counts where that job runs here and, if the user is known, the job is his; another user's is marked and not believed.
What none of these says is left to the hub, which knows other nodes' jobs and yesterday's. Fed by `road`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from slurmlens.log_lines import JobSource, LogLine
from slurmlens.slurm.cgroup_path import job_in_path
from slurmlens.slurm.job_mentions import first_mention

_TAG = re.compile(r"slurm_(\d{1,10})")
_MOST_REMEMBERED = 512
_MOST_CGROUP_BYTES = 16_384
_SLURM_UNIT = "slurmd.service"
_DAEMONS = ("slurmd", "slurmstepd")

Member = tuple[int, str | None]
"""Job id and step."""


class LocalJob(NamedTuple):
    """A job that runs here."""

    job_id: int
    user_id: int | None


class JobsHere(NamedTuple):
    """What the node knows of its jobs: of a process by the text of its `/proc/PID/cgroup`, by number, by SLUID."""

    member: Callable[[str], Member | None]
    running: Callable[[int], LocalJob | None]
    by_sluid: Callable[[str], LocalJob | None]
    proc: Path


class Attribution:
    """Gives lines to jobs; `forget` from time to time, for what runs here changes."""

    def __init__(self, jobs: JobsHere) -> None:
        self._jobs = jobs
        self._of_cgroup: dict[str, Member | None] = {}
        self._of_process: dict[int, Member | None] = {}

    def forget(self) -> None:
        """What was found may have changed: a process ended, a folder got its name. A job's folder stays that job's."""
        self._of_cgroup = {cgroup: member for cgroup, member in self._of_cgroup.items() if member is not None}
        self._of_process.clear()

    def attributed(self, line: LogLine) -> LogLine:
        """The line with its job where this node knows it, else as it was."""
        if line.cgroup is not None and (member := self._by_cgroup(line.cgroup)) is not None:
            return _given(line, member, JobSource.CGROUP)
        if self._is_worth_a_look(line) and (member := self._by_process(line.pid or 0)) is not None:
            return _given(line, member, JobSource.PROCESS)
        program = line.program
        if program is not None and program.startswith("slurm"):
            if (tag := _TAG.fullmatch(program)) is not None:
                return self._by_tag(line, int(tag[1]))
            if program.startswith(_DAEMONS):
                return self._by_words(line)
        return line

    @staticmethod
    def _is_worth_a_look(line: LogLine) -> bool:
        """Whether its process id is the kernel's word, and no cgroup says what it could: on v1 Slurm's are unseen."""
        if line.pid is None:
            return False
        if line.source == "socket":
            return True
        is_daemon = line.program is not None and line.program.startswith(_DAEMONS)
        return line.source == "journal" and line.unit == _SLURM_UNIT and not is_daemon

    def _by_cgroup(self, cgroup: str) -> Member | None:
        if cgroup in self._of_cgroup:
            return self._of_cgroup[cgroup]
        member = self._jobs.member(f"0::{cgroup}\n")
        if member is None and (inside := job_in_path(cgroup)) is not None and inside.job_id is not None:
            member = inside.job_id, inside.step  # a job that has gone since
        if len(self._of_cgroup) >= _MOST_REMEMBERED:
            del self._of_cgroup[next(iter(self._of_cgroup))]
        self._of_cgroup[cgroup] = member
        return member

    def _by_process(self, pid: int) -> Member | None:
        if pid in self._of_process:
            return self._of_process[pid]
        try:
            with (self._jobs.proc / str(pid) / "cgroup").open("rb") as file:
                member = self._jobs.member(file.read(_MOST_CGROUP_BYTES).decode("utf-8", "replace"))
        except OSError:
            member = None
        if len(self._of_process) < _MOST_REMEMBERED:
            self._of_process[pid] = member
        return member

    def _by_tag(self, line: LogLine, job_id: int) -> LogLine:
        job = self._jobs.running(job_id)
        if job is None:
            return line
        if line.user_id in (None, 0, job.user_id) or job.user_id is None:
            return _given(line, (job_id, None), JobSource.TAG)
        told = f"user {line.user_id} wrote under the tag of job {job_id}, which is another user's"
        return msgspec.structs.replace(line, contradiction=told)

    def _by_words(self, line: LogLine) -> LogLine:
        """Of slurmd's words only what the hub cannot know: which job a SLUID is."""
        if "SLUID=" not in line.message:
            return line
        mention = first_mention(line.message)
        if mention is None or mention.job_id is not None or mention.sluid is None:
            return line
        job = self._jobs.by_sluid(mention.sluid)
        return line if job is None else _given(line, (job.job_id, mention.step), JobSource.TEXT)


def _given(line: LogLine, member: Member, source: JobSource) -> LogLine:
    return msgspec.structs.replace(line, job_id=member[0], step=member[1], job_source=source)
