"""`slurmlens watch --pattern REGEX -- COMMAND`: run a program, and report how far it is by what it prints.

For programs that cannot be changed. Owns the pattern; `cli.passing_through` runs the program so that nobody notices.
Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import re

from slurmlens.cli.passing_through import run_watched
from slurmlens.progress import report

SUMMARY = "run a program and report its progress by what it prints"

EPILOG = r"""The pattern is Python's. Its group `done` (or the first one) is how much is done,
`total` (or the second) of how much; every other named group is a value that is shown beside it.

example:
  slurmlens watch --pattern 'step (\d+) of (\d+)' -- srun ./model
  slurmlens watch --pattern 'Time = (?P<done>\S+)' --total 500 -- simpleFoam
  slurmlens watch --pattern 'iter (?P<done>\d+) res (?P<residual>\S+)' -- ./solve

Output and exit status of the program are passed through unchanged; a signal that ends it ends this command, too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--pattern", required=True, type=_pattern, metavar="REGEX", help="what a line of progress has")
    parser.add_argument("--total", type=float, metavar="N", help="how much there is, where lines do not say it")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the program and its arguments, after --")


def run(arguments: argparse.Namespace) -> int:
    """Run the program; its exit status, 127 where there is no such program."""
    teller = LineTeller(arguments.pattern, arguments.total)
    return run_watched(arguments.command, teller.line)


class LineTeller:
    """Reports the progress that a line shows, if it shows one."""

    def __init__(self, pattern: re.Pattern[str], total: float | None) -> None:
        self._pattern = pattern
        self._total = total

    def line(self, line: bytes) -> None:
        """Look at one line of output."""
        found = self._pattern.search(line.decode("utf-8", "replace"))
        if found is None:
            return
        named = found.groupdict()
        unnamed = [text for index, text in enumerate(found.groups(), 1) if index not in self._named_indexes]
        done = _number(named.pop("done", None) or (unnamed.pop(0) if unnamed else None))
        total = _number(named.pop("total", None) or (unnamed.pop(0) if unnamed else None)) or self._total
        values = {name: value for name, text in named.items() if (value := _number(text)) is not None}
        if done is not None:
            report(done, total, **values)

    @property
    def _named_indexes(self) -> frozenset[int]:
        return frozenset(self._pattern.groupindex.values())


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no pattern: {error}") from error
    if not pattern.groups:
        raise argparse.ArgumentTypeError(f"{text!r} has no group that says how much is done, like (\\d+)")
    return pattern


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
