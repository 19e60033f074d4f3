"""Asks and tells slurmctld of nodes, by scontrol: the only place where membership changes Slurm.

Many nodes are named in one command, folded, so that 500 that register at once are a handful of commands. What goes
wrong is a SourceError with scontrol's words. Fed by `keeper`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from slurmlens.membership.plan import LEAVING, Steps
from slurmlens.slurm.command import RunCommand, clean_environment, run_command
from slurmlens.slurm.hostlist import fold
from slurmlens.slurm.pieces import Pieces, text_lines
from slurmlens.slurm.records import NodeRecord
from slurmlens.slurm.scontrol_text import nodes as read_nodes

_AT_ONCE = 500


class NodeControl:
    """slurmctld, as scontrol reaches it."""

    def __init__(
        self,
        slurm_conf: Path | None = None,
        *,
        scontrol: str = "scontrol",
        timeout_s: float = 20.0,
        run: RunCommand = run_command,
    ) -> None:
        self._environment = clean_environment(slurm_conf)
        self._scontrol, self._timeout_s, self._run = scontrol, timeout_s, run

    async def nodes(self) -> list[NodeRecord]:
        """Every node that it knows."""
        arguments = (self._scontrol, "-o", "show", "node")
        return list((await self._run(arguments, self._environment, self._timeout_s, read_nodes)).records)

    async def do(self, steps: Steps) -> None:
        """Addresses first: a node must not be given a job before it can be reached."""
        for member in steps.addresses:
            await self._tell("update", f"nodename={member.name}", f"nodeaddr={member.address}")
        for names in _folded(steps.resume):
            await self._tell("update", f"nodename={names}", "state=resume")
        for names in _folded(steps.drain):
            await self._tell("update", f"nodename={names}", "state=drain", f"reason={LEAVING}")
        for names in _folded(steps.remove):
            await self._tell("delete", f"nodename={names}")

    async def answers(self) -> bool:
        """Whether it says that it is up (`scontrol ping`)."""
        return await self._run((self._scontrol, "ping"), self._environment, self._timeout_s, _is_up)

    async def _tell(self, *arguments: str) -> None:
        await self._run((self._scontrol, *arguments), self._environment, self._timeout_s, _nothing)


def _folded(names: Sequence[str]) -> Iterator[str]:
    """Host lists of so many names as one command should have."""
    for begin in range(0, len(names), _AT_ONCE):
        yield fold(names[begin : begin + _AT_ONCE])


def _nothing(pieces: Pieces) -> None:
    for _ in text_lines(pieces):
        pass


def _is_up(pieces: Pieces) -> bool:
    return any(line.rstrip().endswith("UP") for line in text_lines(pieces))
