"""What `slurmlens-node` may be told on its command line. Pure; asked by `start` (before asyncio) and by `main`.

The daemon's usual command line is read without argparse, which with what it imports stays in memory for as long as the
daemon runs (ADR 19). It has everything else: help, the version, abbreviations, and what to say of a mistake.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from slurmlens import __version__
from slurmlens.config.load import NODE_PATH


class Options(NamedTuple):
    """`config`: where the settings are."""

    config: Path = NODE_PATH


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options. Ends the program for --help, --version and what it cannot read."""
    match list(sys.argv[1:] if arguments is None else arguments):
        case []:
            return Options()
        case ["--config", path] if not path.startswith("-"):
            return Options(Path(path))
        case others:
            return _parse_all(others)


def _parse_all(arguments: Sequence[str]) -> Options:
    import argparse  # late: costs memory

    parser = argparse.ArgumentParser(prog="slurmlens-node", description="Watches the jobs of one Slurm node.")
    parser.add_argument(
        "--config", type=Path, default=NODE_PATH, metavar="FILE", help="settings (default: %(default)s)"
    )
    parser.add_argument("--version", action="version", version=__version__)
    return Options(parser.parse_args(arguments).config)
