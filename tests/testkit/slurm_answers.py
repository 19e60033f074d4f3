"""Recorded answers of Slurm's commands, and a runner that gives them instead of running anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from slurmlens.slurm.command import Answer
from slurmlens.slurm.pieces import Pieces
from testkit.checkout import ROOT

FIXTURES = ROOT / "tests" / "fixtures/slurm"


def in_pieces(document: bytes, size: int = 4096) -> list[bytes]:
    """The bytes as a pipe may give them."""
    return [document[at : at + size] for at in range(0, len(document), size)]


def recorded(name: str) -> list[bytes]:
    """The pieces of a recorded answer."""
    return in_pieces((FIXTURES / name).read_bytes())


class RecordedCommands:
    """Answers questions from files (or bytes), by the command's name, and remembers them.

    The separator that was asked for stands in the place of the recording's 0x1f.
    """

    def __init__(self, version: str, answers: Mapping[str, str | bytes]) -> None:
        self._version = version
        self._answers = answers
        self.asked: list[list[str]] = []
        self.environments: list[Mapping[str, str]] = []

    async def __call__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        timeout_s: float,
        read: Callable[[Pieces], Answer],
    ) -> Answer:
        if arguments[1] == "--version":
            return read([f"{self._version}\n".encode()])
        self.asked.append(list(arguments))
        self.environments.append(environment)
        answer = self._answers[Path(arguments[0]).name]
        document = answer if isinstance(answer, bytes) else (FIXTURES / answer).read_bytes()
        for argument in arguments:
            if argument.startswith("--delimiter="):
                document = document.replace(b"\x1f", argument.removeprefix("--delimiter=").encode())
            if argument.startswith("--format=%A"):
                separator = argument.removeprefix("--format=%A").partition("%i")[0]
                document = document.replace(b"\x1f", separator.encode())
        return read(in_pieces(document))
