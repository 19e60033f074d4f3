"""The program `slurmlens`: one command a file, found by the table below.

Owns the table. A command's module has SUMMARY, `add_arguments(parser)` and `run(arguments) -> exit status`; only the
one that is called is imported. Exit status 2 is argparse's, for arguments that make no sense.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from slurmlens import __version__

COMMANDS = (
    "assess",
    "audit",
    "blast-radius",
    "campaign",
    "capacity",
    "cluster",
    "common-cause",
    "dashboards",
    "doctor",
    "erase",
    "event",
    "findings",
    "forward",
    "graph",
    "inventory",
    "investigations",
    "job",
    "jobs",
    "login",
    "logs",
    "looks",
    "me",
    "membership",
    "node",
    "noise",
    "notify",
    "partition",
    "problems",
    "progress",
    "report",
    "saved-objects",
    "setup",
    "stack",
    "status",
    "top",
    "usage",
    "user",
    "validate",
    "watch",
    "workflows",
)
"""Each is a module `slurmlens.cli.commands.<name>`, with an underscore where the name has a hyphen."""


class Command(Protocol):
    """What a command's module offers."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, _ = parsers(_needed(given))
    options = parser.parse_args(given)
    return int(options.chosen(options))


def _needed(given: Sequence[str]) -> Sequence[str]:
    """The commands whose parsers an answer takes; importing them all takes seconds."""
    if given and given[0] in COMMANDS:
        return given[:1]
    return () if given == ["--version"] else COMMANDS


def parsers(names: Sequence[str] = COMMANDS) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The program's parser, and by name those of the commands in it."""
    parser = argparse.ArgumentParser(prog="slurmlens", description="What every Slurm job does, and did.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    own: dict[str, argparse.ArgumentParser] = {}
    for name in names:
        command = cast(Command, importlib.import_module(f"slurmlens.cli.commands.{name.replace('-', '_')}"))
        own[name] = commands.add_parser(name, help=command.SUMMARY, description=command.SUMMARY)
        command.add_arguments(own[name])
        own[name].set_defaults(chosen=command.run)  # `run` is an option of `slurmlens job`
    return parser, own


if __name__ == "__main__":
    sys.exit(main())
