"""Nodes as lines of a file that slurm.conf includes, for a Slurm without dynamic nodes: rendered, checked, installed.

Invariants: what does not parse is never installed, for Slurm's own parser reads a copy of the whole configuration
first; the file is replaced in one rename; the one before it stays beside it (`.last-good`) and comes back where
slurmctld does not answer with the new one; a text that was refused stays as `.refused`, to be looked at, and is not
tried again. Format: slurm.conf(5), NODE CONFIGURATION. Fed by `keeper`.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from slurmlens.errors import ConfigError, SourceError
from slurmlens.membership.member import Member
from slurmlens.slurm.command import RunCommand, clean_environment, run_command
from slurmlens.slurm.pieces import Pieces, text_lines

HEAD = "# Made by `slurmlens membership` from the compute services in Consul: changes here are lost.\n"
_COMMAND_MAX_S = 60.0
_ANSWER_POLL_S = 0.5


def render(members: Iterable[Member], options: str = "") -> str:
    """A NodeName line for each member, in the order of names; `options` end every line."""
    return HEAD + "".join(f"{_line(member)}{f' {options}' if options else ''}\n" for member in sorted(members))


def _line(member: Member) -> str:
    words = [f"NodeName={member.name}", f"NodeAddr={member.address}"]
    words += [f"Port={member.port}"] if member.port else []
    words += [f"CPUs={member.cpu_count}"] if member.cpu_count else []
    words += [f"RealMemory={member.memory_mib}"] if member.memory_mib else []
    words += [f"Feature={member.features}"] if member.features else []
    return " ".join([*words, "State=UNKNOWN"])


class NodeFile:
    """The file, below the folder of the slurm.conf that includes it."""

    def __init__(
        self,
        path: Path,
        slurm_conf: Path,
        apply: Sequence[str],
        answers: Callable[[], Awaitable[bool]],
        *,
        scontrol: str = "scontrol",
        run: RunCommand = run_command,
        answer_max_s: float = 60.0,
    ) -> None:
        self._path, self._slurm_conf, self._apply, self._answers = path, slurm_conf, apply, answers
        self._scontrol, self._run, self._answer_max_s = scontrol, run, answer_max_s

    def is_up_to_date(self, text: str) -> bool:
        """Whether the text is installed, or was refused before."""
        return text in (_read(self._path), _read(self._beside(".refused")))

    async def install(self, text: str) -> None:
        """Checks, installs and applies the text; ConfigError where Slurm does not take it, with what stays."""
        try:
            await self.check(text)
        except SourceError as error:
            self._beside(".refused").write_text(text)
            raise ConfigError(f"Slurm does not take the nodes, those before stay: {error}", path=self._path) from error
        before = _read(self._path)
        self._beside(".last-good").write_text(before)
        self._replace(text)
        try:
            await self._applied()
        except SourceError as error:
            self._beside(".refused").write_text(text)
            self._replace(before)
            await self._applied()
            raise ConfigError(
                f"slurmctld did not come up with the nodes, those before are back: {error}", path=self._path
            ) from error

    async def check(self, text: str) -> None:
        """SourceError, in Slurm's words, where its parser does not take the configuration with this text in it."""
        folder = self._slurm_conf.parent
        with tempfile.TemporaryDirectory(prefix="slurmlens-check-") as made:
            copy = Path(made)
            for file in folder.iterdir():
                if file.suffix == ".conf" and file.is_file() and file.name != "slurmdbd.conf":
                    shutil.copyfile(file, copy / file.name)
            candidate = copy / self._path.relative_to(folder)
            candidate.write_text(text)
            conf = copy / self._slurm_conf.name
            conf.write_text(conf.read_text().replace(str(self._path), str(candidate)))
            await self._run(
                (self._scontrol, "show", "hostnames", "a"), clean_environment(conf), _COMMAND_MAX_S, _nothing
            )

    async def _applied(self) -> None:
        """Has slurmctld read the file anew; SourceError where it does not answer afterwards."""
        if self._apply:
            await self._run(self._apply, clean_environment(self._slurm_conf), _COMMAND_MAX_S, _nothing)
        deadline_s = time.monotonic() + self._answer_max_s
        while not await self._is_up():
            if time.monotonic() > deadline_s:
                raise SourceError(f"slurmctld does not answer after {self._answer_max_s:g} s")
            await asyncio.sleep(_ANSWER_POLL_S)

    async def _is_up(self) -> bool:
        try:
            return await self._answers()
        except SourceError:
            return False

    def _replace(self, text: str) -> None:
        new = self._beside(".new")
        new.write_text(text)
        new.rename(self._path)

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _nothing(pieces: Pieces) -> None:
    for _ in text_lines(pieces):
        pass
