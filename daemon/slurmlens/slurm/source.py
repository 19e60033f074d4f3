"""Asks the scheduler by its commands: `squeue`, `sacct -D`, `scontrol show`, `sacctmgr show`.

Owns which command is asked; in which form, and what can be believed of it, the release decides (`releases`), and what
an answer means is the decoders' (`json_records`; `queue_text`, `accounting_text` and `scontrol_text` where JSON is
missing or tells less). Slurm's default JSON version is taken. Fed by the hub's poller, which also says when
(`politeness`); every failure is a SourceError.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from slurmlens.config.hub import SlurmConfig
from slurmlens.errors import DecodeError, SourceError
from slurmlens.slurm import (
    accounted_use,
    accounting_text,
    associations,
    json_records,
    queue_text,
    scontrol_text,
    sdiag_text,
    topology_text,
)
from slurmlens.slurm.accounted_use import AccountedUse
from slurmlens.slurm.associations import AccountPerson
from slurmlens.slurm.command import Answer, RunCommand, clean_environment, run_command
from slurmlens.slurm.pieces import Pieces
from slurmlens.slurm.records import Decoded, JobRecord, NodeRecord, PartitionRecord, SwitchRecord
from slurmlens.slurm.releases import Form, Release, answers_of
from slurmlens.slurm.sdiag_text import SchedulerStatistics
from slurmlens.slurm.separated_rows import new_separator

MAX_JOBS_A_REQUEST = 200
EPOCH_TIMES = {"SLURM_TIME_FORMAT": "%s"}

_RELEASE = re.compile(rb"(\d{2})\.(\d{2})")


class Scheduler(Protocol):
    """What the hub asks of a scheduler; every method raises SourceError where there is no answer."""

    async def release(self) -> tuple[int, int]:
        """Slurm's release, as (24, 11)."""

    async def cluster_name(self) -> str | None:
        """Slurm's ClusterName; None where it does not tell."""

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

    async def topology(self) -> Decoded[SwitchRecord]:
        """Every switch or block of its topology; none where it knows of none."""


class CommandSource:
    """The scheduler by its command line tools."""

    def __init__(self, settings: SlurmConfig, run: RunCommand = run_command) -> None:
        self._settings = settings
        self._run = run
        self._environment = clean_environment(settings.slurm_conf)
        self._release: Release | None = None

    async def release(self) -> Release:
        """Slurm's release, asked once of `squeue --version`, which contacts nobody."""
        if self._release is None:
            said = await self._ask([self._settings.squeue, "--version"], b"".join)
            match = _RELEASE.search(said)
            if not match:
                raise SourceError(f"{self._settings.squeue} --version says {said[:60]!r}, which is no release")
            self._release = Release(int(match[1]), int(match[2]))
        return self._release

    async def cluster_name(self) -> str | None:
        """ClusterName of `scontrol show config`: what every release knows, and asks for little."""
        return await self._ask([self._settings.scontrol, "show", "config"], scontrol_text.cluster_name)

    async def queue(self) -> Decoded[JobRecord]:
        """`squeue`, of every partition and state."""
        release, name = await self.release(), self._settings.squeue
        if answers_of(release).queue is Form.JSON:
            arguments = [name, "--all", "--states=all", "--json"]
            return await self._ask(arguments, partial(json_records.queue_jobs, release=release))
        separator = new_separator()
        read = partial(queue_text.queue_jobs, separator=separator)
        return await self._ask([name, *queue_text.arguments(separator)], read, **EPOCH_TIMES)

    async def executions(self, job_ids: Iterable[int]) -> Decoded[JobRecord]:
        """`sacct -D -j`, some hundred jobs a request."""
        wanted = sorted(set(job_ids))
        records: list[JobRecord] = []
        refused, unknown = 0, Counter[str]()
        for begin in range(0, len(wanted), MAX_JOBS_A_REQUEST):
            chunk = ",".join(str(job_id) for job_id in wanted[begin : begin + MAX_JOBS_A_REQUEST])
            found = await self._accounted(["-j", chunk])
            records += found.records
            refused += found.refused
            unknown.update(found.unknown)
        return Decoded(tuple(records), refused, unknown)

    async def executions_since(self, since_s: int) -> Decoded[JobRecord]:
        """`sacct -D -S`; the commands run in UTC, so that the time means what it says."""
        return await self._accounted(["-S", datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")])

    async def used_between(self, from_s: int, to_s: int) -> Decoded[AccountedUse]:
        """What executions used that were there between two moments; nothing where there is no accounting."""
        if not self._settings.accounting:
            return Decoded((), 0)
        window = [datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S") for at_s in (from_s, to_s)]
        separator = new_separator()
        read = partial(accounted_use.accounted_use, separator=separator)
        ask = [self._settings.sacct, *accounted_use.arguments(separator), "-S", window[0], "-E", window[1]]
        return await self._ask(ask, read, **EPOCH_TIMES)

    async def nodes(self) -> Decoded[NodeRecord]:
        """`scontrol show node`, hidden ones too."""
        name = self._settings.scontrol
        if answers_of(await self.release()).nodes is Form.JSON:
            return await self._ask([name, "-a", "show", "nodes", "--json"], json_records.nodes)
        return await self._ask([name, "-a", "-o", "show", "node"], scontrol_text.nodes)

    async def partitions(self) -> Decoded[PartitionRecord]:
        """`scontrol show partition`, hidden ones too."""
        name = self._settings.scontrol
        if answers_of(await self.release()).partitions is Form.JSON:
            return await self._ask([name, "-a", "show", "partitions", "--json"], json_records.partitions)
        return await self._ask([name, "-a", "-o", "show", "partition"], scontrol_text.partitions)

    async def account_people(self, cluster: str) -> tuple[AccountPerson, ...]:
        """Members and coordinators of every account, by `sacctmgr`; nothing where there is no accounting."""
        if not self._settings.accounting:
            return ()
        ask = [self._settings.sacctmgr, "--noheader", "--parsable2", "show"]
        fields = f"format={','.join(associations.ASSOCIATION_FIELDS)}"
        members = await self._ask([*ask, "associations", f"cluster={cluster}", fields], associations.associations)
        fields = f"format={','.join(associations.COORDINATOR_FIELDS)}"
        leading = await self._ask([*ask, "accounts", "withcoordinators", fields], associations.coordinators)
        return associations.account_people(members, leading)

    async def topology(self) -> Decoded[SwitchRecord]:
        """`scontrol show topology`, the same text in every release."""
        return await self._ask([self._settings.scontrol, "show", "topology"], topology_text.shown_topology)

    async def statistics(self) -> SchedulerStatistics:
        """`sdiag`, the same text in every release."""
        return await self._ask([self._settings.sdiag], sdiag_text.statistics)

    async def _accounted(self, which: Sequence[str]) -> Decoded[JobRecord]:
        if not self._settings.accounting:
            return Decoded((), 0)
        name = self._settings.sacct
        if answers_of(await self.release()).accounting is Form.JSON:
            return await self._ask([name, "-D", "-a", "--json", *which], json_records.accounted_jobs)
        separator = new_separator()
        read = partial(accounting_text.accounted_jobs, separator=separator)
        return await self._ask([name, *accounting_text.arguments(separator), *which], read, **EPOCH_TIMES)

    async def _ask(self, arguments: Sequence[str], read: Callable[[Pieces], Answer], **environment: str) -> Answer:
        timeout_s = self._settings.command_timeout_s
        try:
            return await self._run(arguments, self._environment | environment, timeout_s, read)
        except DecodeError as error:
            raise SourceError(f"{arguments[0]}: {error}", reason=error.reason) from error
