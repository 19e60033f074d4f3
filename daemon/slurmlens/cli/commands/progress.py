"""`slurmlens progress DONE/TOTAL [NAME=VALUE …]`: report how far this job is, from a script that runs in it.

Asks the node daemon by the same words as `slurmlens.progress`. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import re
import sys

from slurmlens.progress.speaking import Reception, answer_to, is_off

SUMMARY = "report how far this job is, from inside the job"

EPILOG = """example, in a job script:
  for i in $(seq 100); do
      ./iterate "$i"
      slurmlens progress "$i/100"
  done
  slurmlens progress 3/8 residual=1e-5      with a value that is shown beside it
  slurmlens progress 17                     where nobody knows how much there is

exit status: always 0, so that a script goes on whatever becomes of this; with --strict 1 where it was not taken"""

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_PROGRESS = re.compile(rf"({_NUMBER})(?:/({_NUMBER}))?")
_VALUE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}=\S+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("progress", type=_progress, metavar="DONE/TOTAL", help="how much is done, and of how much")
    parser.add_argument("values", type=_value, nargs="*", metavar="NAME=VALUE", help="a number to be shown beside it")
    add_strict_argument(parser)


def add_strict_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--strict`."""
    parser.add_argument("--strict", action="store_true", help="say on standard error why it was not taken, and exit 1")


def run(arguments: argparse.Namespace) -> int:
    """Report it; nobody's script fails for it."""
    return tell(" ".join(("progress", arguments.progress, *arguments.values)), "progress", strict=arguments.strict)


def tell(words: str, command: str, *, strict: bool) -> int:
    """Say this to the node daemon; the exit status."""
    if is_off():
        answer, text = Reception.ABSENT, "not in a job of Slurm, or switched off by SLURMLENS_OFF or SLURMLENS_PROGRESS"
    else:
        answer, text = answer_to(words)
    if strict and answer is not Reception.TAKEN:
        print(f"slurmlens {command}: {text}", file=sys.stderr)
        return 1
    return 0


def _progress(text: str) -> str:
    found = _PROGRESS.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 3/8 or 17")
    return f"{found[1]} {found[2] or '-'}"


def _value(text: str) -> str:
    if not _VALUE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not like residual=1e-5")
    return text
