"""What `slurmlens-node` may be told on its command line. Pure; asked by `start` (before asyncio) and by `main`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from slurmlens import __version__
from slurmlens.config.load import NODE_PATH


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options: `config`, where the settings are. Ends the program for --help, --version and what it cannot read."""
    parser = argparse.ArgumentParser(prog="slurmlens-node", description="Watches the jobs of one Slurm node.")
    parser.add_argument(
        "--config", type=Path, default=NODE_PATH, metavar="FILE", help="settings (default: %(default)s)"
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args(arguments)
