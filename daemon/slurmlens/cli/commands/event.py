"""`slurmlens event TEXT`: put a line on this job's time line, from a script that runs in it.

Asks the node daemon by the same words as `slurmlens.progress`. Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.commands.progress import add_strict_argument, tell

SUMMARY = "put a line on this job's time line, from inside the job"

EPILOG = """example, in a job script:
  slurmlens event "mesh refined, second phase begins"

exit status: always 0, so that a script goes on whatever becomes of this; with --strict 1 where it was not taken"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("text", nargs="+", metavar="TEXT", help="300 characters at most; 30 a minute are taken")
    add_strict_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Report it; nobody's script fails for it."""
    return tell(f"event {' '.join(' '.join(arguments.text).split())}", "event", strict=arguments.strict)
