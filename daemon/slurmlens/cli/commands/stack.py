"""`slurmlens stack`: the whole stack on this machine, for whoever has the source tree: to try it, for tests.

Owns nothing but the way there: what brings a stack up is the package `deploy` beside this one's sources, which imports
nothing of slurmlens and runs with Debian's Python. So that no production host carries it, no package installs it; a
site's own stack is its own configuration management's. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

SUMMARY = "the whole stack on this machine: up, status, scale, logs, down"

EPILOG = """examples:
  slurmlens stack up
  slurmlens stack up --without neo4j --without opensearch --compute 2 --name small
  slurmlens stack up --in podman --name boxed
  slurmlens stack status
  slurmlens stack scale compute=5
  slurmlens stack logs hub
  slurmlens stack down

`slurmlens stack VERB --help` tells more.

exit status: 0 done, 1 it cannot be, or a service does not work, 2 bad arguments, or no source tree here"""

PYTHON = "/usr/bin/python3"
PACKAGE = Path("deploy/whole/__main__.py")
EXIT_NO_TREE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--tree", metavar="FOLDER", type=Path, help="the source tree (default: the one this runs from)")
    parser.add_argument("verb", nargs=argparse.REMAINDER, metavar="VERB", help="up, status, scale, logs, down, list")


def run(arguments: argparse.Namespace) -> int:
    """Hands everything on."""
    tree = _tree(arguments.tree)
    if tree is None:
        where = arguments.tree or "the package that is installed here"
        print(f"slurmlens stack: {where} has no {PACKAGE}: name a source tree with --tree", file=sys.stderr)
        return EXIT_NO_TREE
    command = [PYTHON, "-m", "deploy.whole", *(arguments.verb or ["--help"])]
    try:
        return subprocess.run(
            command, cwd=tree, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, check=False
        ).returncode
    except KeyboardInterrupt:
        return 130


def _tree(given: Path | None) -> Path | None:
    """The source tree: the one that is named, or whose sources run."""
    places = [given] if given is not None else list(Path(__file__).resolve().parents)
    return next((place for place in places if (place / PACKAGE).is_file()), None)
