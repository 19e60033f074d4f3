"""Speaks to Slurm for a campaign: sbatch, scontrol release, scancel, squeue, sacct, sinfo. The only place that does.

Owns the command lines and how their answers are read. Invariants: no shell; an environment of listed names, so nobody's
SBATCH_* or SQUEUE_FORMAT changes what is done; a command that hangs is killed. A job id on standard output is a job id
whatever else was said; everything else leaves unknown whether the job exists, and is a SourceError that says so.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from slurmlens.campaign.fold import Attempt
from slurmlens.campaign.idle import FORMAT, IdleNow, idle_now
from slurmlens.campaign.job_script import OUTPUT
from slurmlens.campaign.seen import QueuedJob
from slurmlens.campaign.settings import Campaign
from slurmlens.errors import SourceError
from slurmlens.slurm.command import MAX_MESSAGE_CHARS
from slurmlens.slurm.states import parse_state

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "SLURM_CONF", "HOME", "USER", "LOGNAME", "SHELL", "LANG")
_QUEUE_FORMAT = "%i|%T|%r|%D|%M|%S|%N|%j"
_ACCOUNTING_FORMAT = "JobIDRaw,State,NNodes,ElapsedRaw,Start,NodeList,ExitCode,JobName"
LATER = re.compile(
    r"limit|quota|timed out|temporarily|unable to contact|expired|try again|munge|connect", re.IGNORECASE
)
"""Refusals that pass by themselves."""


class CampaignScheduler:
    """Slurm's commands, for one campaign."""

    def __init__(self, campaign: Campaign, *, timeout_s: float) -> None:
        self._campaign = campaign
        self._timeout_s = timeout_s
        self._user = pwd.getpwuid(os.getuid()).pw_name
        names = (*_INHERITED, *campaign.job.environment)
        self._environment = {name: os.environ[name] for name in names if name in os.environ}
        self.asked = 0

    def submit_held(self, attempt: Attempt, batch: Path, deadline_s: float | None) -> int:
        """Submit held; the job id. SourceError where none was told, though the job may exist."""
        output = self._run(["sbatch", *self.options(attempt, batch, deadline_s), os.fspath(batch)], status=False)
        match = re.match(r"(\d+)(;\S*)?\s*$", output)
        if match is None:
            raise SourceError(output.strip()[-MAX_MESSAGE_CHARS:] or "sbatch said nothing")
        return int(match[1])

    def options(self, attempt: Attempt, batch: Path, deadline_s: float | None) -> list[str]:
        """What sbatch is told besides the batch script."""
        job, intent = self._campaign.job, attempt.intent
        given = {
            "--job-name": self._campaign.key(*attempt.id),
            "--time": str(max(1, -(-int(intent.limit_s) // 60))),
            "--nodes": str(intent.nodes),
            "--chdir": os.fspath(batch.parent),
            "--output": os.fspath(batch.parent / OUTPUT),
            "--partition": job.partition,
            "--account": job.account,
            "--nice": str(job.nice) if job.nice else None,
            "--exclude": ",".join(intent.exclude) or None,
            "--deadline": None if deadline_s is None else f"now+{max(60, int(deadline_s))}",
        }
        named = [f"{name}={value}" for name, value in given.items() if value is not None]
        return ["--parsable", "--hold", "--no-requeue", *named, *job.options]

    def test(self, attempt: Attempt, batch: Path) -> str:
        """What slurmctld says of such a job, without submitting it; SourceError where it would refuse."""
        options = [one for one in self.options(attempt, batch, None) if one not in ("--parsable", "--hold")]
        return self._run(["sbatch", "--test-only", *options, os.fspath(batch)], both=True)

    def idle(self) -> IdleNow | None:
        """What is idle of the campaign's partition, or of the default one; None where there is no such partition."""
        return idle_now(
            self._run(["sinfo", "--noheader", "--Node", f"--format={FORMAT}"]), self._campaign.job.partition
        )

    def find(self, key: str) -> list[int]:
        """Ids of all jobs of that name that slurmctld knows, lowest first."""
        lines = self._run(
            ["squeue", "--noheader", "--states=all", f"--user={self._user}", f"--name={key}", "--format=%i"]
        )
        return sorted(int(line) for line in lines.split() if line.isdigit())

    def release(self, job_id: int) -> None:
        """Let a held job go; SourceError where that was not confirmed."""
        self._run(["scontrol", "release", str(job_id)])

    def end(self, job_ids: Sequence[int], signal: str | None) -> None:
        """Cancel jobs, or send all their processes a signal."""
        how = [f"--signal={signal}", "--full"] if signal else []
        self._run(["scancel", *how, *map(str, job_ids)])

    def queue(self) -> dict[int, QueuedJob]:
        """The campaign's jobs that slurmctld knows, the ended ones of the last minutes too; one request."""
        lines = self._run(
            ["squeue", "--noheader", "--states=all", f"--user={self._user}", f"--format={_QUEUE_FORMAT}"]
        ).splitlines()
        jobs = (queue_line(line) for line in lines)
        return {job.job_id: job for job in jobs if job is not None and job.name.startswith(self._campaign.prefix)}

    def accounting(self, job_ids: Sequence[int], since_s: float) -> dict[int, QueuedJob]:
        """What slurmdbd has of those jobs, the latest submission of each id."""
        start = datetime.fromtimestamp(since_s - 60, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        lines = self._run(
            ["sacct", "-nPXD", f"--jobs={','.join(map(str, job_ids))}", f"-S{start}", f"--format={_ACCOUNTING_FORMAT}"]
        ).splitlines()
        jobs = (accounting_line(line) for line in lines)
        return {job.job_id: job for job in jobs if job is not None and job.name.startswith(self._campaign.prefix)}

    def _run(self, arguments: Sequence[str], *, status: bool = True, both: bool = False) -> str:
        self.asked += 1
        name = arguments[0]
        zone = {} if name == "sbatch" else {"TZ": "UTC"}
        try:
            done = subprocess.run(
                arguments,
                env=self._environment | {"LC_ALL": "C.UTF-8"} | zone,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"{name} did not answer within {self._timeout_s:g} s: timed out") from error
        except OSError as error:
            raise SourceError(f"{name} cannot be started: {error.strerror}; is Slurm installed here?") from error
        said = done.stderr.decode(errors="replace").strip()
        output = done.stdout.decode(errors="replace")
        if (done.returncode and status) or (not output and not status):
            raise SourceError(f"{name}: {said[-MAX_MESSAGE_CHARS:] or f'status {done.returncode}'}")
        return output + said if both else output


def queue_line(line: str) -> QueuedJob | None:
    """A line of squeue with our format; None for an array task or what is no job line."""
    parts = line.split("|", 7)
    if len(parts) < 8 or not parts[0].isdigit():
        return None
    job_id, state, reason, nodes, elapsed, start, node_list, name = parts
    return QueuedJob(
        int(job_id), name, parse_state(state).state.value, reason, node_list, _moment_s(start), elapsed_s(elapsed),
        int(nodes) if nodes.isdigit() else 1,
    )  # fmt: skip


def accounting_line(line: str) -> QueuedJob | None:
    """A line of sacct with our format; None for what is no job line."""
    parts = line.split("|", 7)
    if len(parts) < 8 or not parts[0].isdigit():
        return None
    job_id, state, nodes, elapsed, start, node_list, exit_code, name = parts
    code = exit_code.split(":")[0]
    return QueuedJob(
        int(job_id), name, parse_state(state).state.value, "", node_list, _moment_s(start),
        float(elapsed) if elapsed.isdigit() else 0.0, int(nodes) if nodes.isdigit() else 1,
        int(code) if code.isdigit() else None,
    )  # fmt: skip


def elapsed_s(text: str) -> float:
    """squeue's `1-02:03:04`, `02:03:04`, `03:04` in seconds; 0 for what is none."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text.strip())
    if match is None:
        return 0.0
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _moment_s(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def wall_clock_s() -> float:
    """Seconds since the epoch."""
    return time.time()
