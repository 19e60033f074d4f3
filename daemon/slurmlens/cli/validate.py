"""`slurmlens validate FILE`: whether a program could start with these settings, and if not, all that is wrong.

Owns the wording only; the checks are `config`'s. Exit status 0 where the settings can be used, 2 where not, so that it
can stand in `ExecStartPre=`. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from slurmlens.config.hub import HubConfig
from slurmlens.config.load import examine, files_of
from slurmlens.config.node import NodeConfig
from slurmlens.config.relay import RelayConfig
from slurmlens.errors import ConfigError

SUMMARY = "check a configuration file and the conf.d folder beside it"

EXIT_FINE = 0
EXIT_WRONG = 2

PROGRAMS: dict[str, type] = {"node": NodeConfig, "hub": HubConfig, "relay": RelayConfig}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("file", type=Path, metavar="FILE", help="/etc/slurmlens/node.toml, hub.toml or relay.toml")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing where nothing is wrong")
    parser.add_argument(
        "--program",
        choices=tuple(PROGRAMS),
        help="whose settings these are, where the file's name does not begin with it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong, one line each, or that nothing is."""
    program = arguments.program or _program_of(arguments.file)
    if program is None:
        print(f"{arguments.file}: whose settings are these? Add --program {'|'.join(PROGRAMS)}", file=sys.stderr)
        return EXIT_WRONG
    try:
        config: object
        errors: list[ConfigError]
        config, errors = examine(PROGRAMS[program], arguments.file)
    except ConfigError as unreadable:
        config, errors = None, [unreadable]
    for wrong in errors:
        print(wrong, file=sys.stderr)
    if errors:
        return EXIT_WRONG
    remark = _remark(config)
    if remark or not arguments.quiet:
        read = " and ".join(str(file) for file in files_of(arguments.file))
        print(f"{read}: slurmlens-{program} can start with this{remark}")
    return EXIT_FINE


def _program_of(path: Path) -> str | None:
    return next((program for program in PROGRAMS if path.stem.startswith(program)), None)


def _remark(config: object) -> str:
    """What is allowed and yet hardly meant."""
    if isinstance(config, NodeConfig) and config.sinks.is_empty:
        return ", but it would tell nobody: no [sinks.…] table is there"
    return ""
