"""Asks the scheduler by its commands: `squeue --json`, `sacct -D`, `scontrol show`.

Owns which command and which form fits the release that runs; what an answer means is the decoders' (`json_records` from
23.02 on, `accounting_text` and `scontrol_text` for older ones, whose sacct JSON lacks exit codes and whose scontrol has
no JSON). Slurm's default JSON version is taken: the decoders read by shape. Fed by the hub's poller, which also says
when (`politeness`); every failure is a SourceError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from slurmlens.config.hub import SlurmConfig
from slurmlens.errors import DecodeError, SourceError
from slurmlens.slurm import accounting_text, json_records, scontrol_text
from slurmlens.slurm.command import RunCommand, clean_environment, run_command
from slurmlens.slurm.records import Decoded, JobRecord, NodeRecord, PartitionRecord

JSON_SINCE = (23, 2)
MAX_JOBS_A_REQUEST = 200

_RELEASE = re.compile(rb"(\d{2})\.(\d{2})")
_Record = TypeVar("_Record")


class Scheduler(Protocol):
    """What the hub asks of a scheduler; every method raises SourceError where there is no answer."""

    async def release(self) -> tuple[int, int]:
        """Slurm's release, as (24, 11)."""

    async def queue(self) -> Decoded[JobRecord]:
        """Every job the controller holds now: waiting, running, ended lately."""

    async def executions(self, job_ids: Iterable[int]) -> Decoded[JobRecord]:
        """All executions of these jobs that accounting knows, with steps; nothing where there is no accounting."""

    async def executions_since(self, since_s: int) -> Decoded[JobRecord]:
        """All executions that accounting saw in any state since then."""

    async def nodes(self) -> Decoded[NodeRecord]:
        """Every node with its address."""

    async def partitions(self) -> Decoded[PartitionRecord]:
        """Every partition."""


class CommandSource:
    """The scheduler by its command line tools."""

    def __init__(self, settings: SlurmConfig, run: RunCommand = run_command) -> None:
        self._settings = settings
        self._run = run
        self._environment = clean_environment(settings.slurm_conf)
        self._release: tuple[int, int] | None = None

    async def release(self) -> tuple[int, int]:
        """Slurm's release, asked once of `squeue --version`, which contacts nobody."""
        if self._release is None:
            said = await self._ask([self._settings.squeue, "--version"])
            match = _RELEASE.search(said)
            if not match:
                raise SourceError(f"{self._settings.squeue} --version says {said[:60]!r}, which is no release")
            self._release = int(match[1]), int(match[2])
        return self._release

    async def queue(self) -> Decoded[JobRecord]:
        """`squeue --json`, of every partition and state: it exists in every release that we read."""
        answer = await self._ask([self._settings.squeue, "--all", "--states=all", "--json"])
        return _decoded(self._settings.squeue, json_records.queue_jobs, answer)

    async def executions(self, job_ids: Iterable[int]) -> Decoded[JobRecord]:
        """`sacct -D -j`, some hundred jobs a request."""
        wanted = sorted(set(job_ids))
        records: list[JobRecord] = []
        refused = 0
        for begin in range(0, len(wanted), MAX_JOBS_A_REQUEST):
            chunk = ",".join(str(job_id) for job_id in wanted[begin : begin + MAX_JOBS_A_REQUEST])
            found = await self._accounted(["-j", chunk])
            records += found.records
            refused += found.refused
        return Decoded(tuple(records), refused)

    async def executions_since(self, since_s: int) -> Decoded[JobRecord]:
        """`sacct -D -S`; the commands run in UTC, so that the time means what it says."""
        return await self._accounted(["-S", datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")])

    async def nodes(self) -> Decoded[NodeRecord]:
        """`scontrol show node`, hidden ones too."""
        return await self._shown("node", json_records.nodes, scontrol_text.nodes)

    async def partitions(self) -> Decoded[PartitionRecord]:
        """`scontrol show partition`, hidden ones too."""
        return await self._shown("partition", json_records.partitions, scontrol_text.partitions)

    async def _accounted(self, which: Sequence[str]) -> Decoded[JobRecord]:
        if not self._settings.accounting:
            return Decoded((), 0)
        name = self._settings.sacct
        if await self.release() >= JSON_SINCE:
            return _decoded(name, json_records.accounted_jobs, await self._ask([name, "-D", "-a", "--json", *which]))
        arguments = [name, *accounting_text.arguments(), *which]
        answer = await self._ask(arguments, SLURM_TIME_FORMAT="%s")
        return _decoded(name, accounting_text.accounted_jobs, answer.decode(errors="replace"))

    async def _shown(
        self, what: str, from_json: Callable[[bytes], Decoded[_Record]], from_text: Callable[[str], Decoded[_Record]]
    ) -> Decoded[_Record]:
        name = self._settings.scontrol
        if await self.release() >= JSON_SINCE:
            return _decoded(name, from_json, await self._ask([name, "-a", "show", f"{what}s", "--json"]))
        answer = await self._ask([name, "-a", "-o", "show", what])
        return _decoded(name, from_text, answer.decode(errors="replace"))

    async def _ask(self, arguments: Sequence[str], **environment: str) -> bytes:
        return await self._run(arguments, self._environment | environment, self._settings.command_timeout_s)


_Answer = TypeVar("_Answer", bytes, str)


def _decoded(name: str, decode: Callable[[_Answer], Decoded[_Record]], answer: _Answer) -> Decoded[_Record]:
    try:
        return decode(answer)
    except DecodeError as error:
        raise SourceError(f"{name}: {error}") from error
