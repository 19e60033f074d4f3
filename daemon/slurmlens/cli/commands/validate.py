"""`slurmlens validate FILE`: whether a program could start with these settings, and if not, all that is wrong.

Owns the wording only; the checks of words are `config`'s, those of what they name on this machine the program's own,
which opens it as the program would and changes nothing. Exit status 0 where the settings can be used, 2 where not, so
that it can stand in `ExecStartPre=`. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from slurmlens.config.hub import HubConfig
from slurmlens.config.load import examine, files_of, located
from slurmlens.config.node import NodeConfig
from slurmlens.config.relay import RelayConfig
from slurmlens.errors import ConfigError

SUMMARY = "check a configuration file and the conf.d folder beside it"

EPILOG = """example:
  slurmlens validate /etc/slurmlens/node.toml
  slurmlens validate /etc/slurmlens/problems                    known problems, or one of their files
  slurmlens validate --json /etc/slurmlens/hub.toml | jq -r '.errors[].key'
  slurmlens validate --words --program node /srv/new/n1.toml    before it goes to the nodes

exit status: 0 the program can start with it, 2 it cannot"""

EXIT_FINE = 0
EXIT_WRONG = 2

PROGRAMS: dict[str, type] = {"node": NodeConfig, "hub": HubConfig, "relay": RelayConfig}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", type=Path, metavar="FILE", help="/etc/slurmlens/node.toml, hub.toml or relay.toml")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("-q", "--quiet", action="store_true", help="say nothing where nothing is wrong")
    shape.add_argument(
        "--json", action="store_true", help="the same as JSON: file, line, key and message of each error"
    )
    parser.add_argument(
        "--words",
        action="store_true",
        help="check the file's words alone, not whether this machine has what they name: for a file of another machine",
    )
    parser.add_argument(
        "--program",
        choices=tuple(PROGRAMS),
        help="whose settings these are, where the file's name does not begin with it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong, one line each, or that nothing is."""
    if arguments.program is None and _holds_problems(arguments.file):
        return _validate_problems(arguments)
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
    if not errors and not arguments.words:
        errors = _machine_problems(config, arguments.file)
    remark = _remark(config)
    if arguments.json:
        print(_as_json(program, arguments.file, errors, remark))
    elif errors:
        print(*errors, sep="\n", file=sys.stderr)
    elif remark or not arguments.quiet:
        read = " and ".join(str(file) for file in files_of(arguments.file))
        print(f"{read}: slurmlens-{program} can start with this{remark and f', but {remark}'}")
    return EXIT_WRONG if errors else EXIT_FINE


def _machine_problems(config: object, path: Path) -> list[ConfigError]:
    """What the program would meet when it opens what the settings name: tried, as this user, and nothing changed."""
    if isinstance(config, HubConfig):
        from slurmlens.hub.preflight import hub_problems  # late: the node's settings need none of it

        found = hub_problems(config)
    elif isinstance(config, RelayConfig):
        from slurmlens.runtime.listen_check import listening_problems

        found = list(listening_problems(config.listen, config.auth))
    else:
        return []
    return located(found, path)


def _as_json(program: str, file: Path, errors: Sequence[ConfigError], remark: str) -> str:
    told = [
        {"file": error.path and str(error.path), "line": error.line, "key": error.key, "message": str(error)}
        for error in errors
    ]
    files = [] if errors or file.is_dir() else [str(one) for one in files_of(file)]
    return json.dumps({"program": program, "files": files, "errors": told, "remark": remark or None}, indent=1)


def _holds_problems(path: Path) -> bool:
    """Whether it is a known problem of the hub's findings, or a folder of them."""
    return path.is_dir() or path.absolute().parent.name == "problems"


def _validate_problems(arguments: argparse.Namespace) -> int:
    from slurmlens.hub.findings.problems.problem_file import (  # late: settings need none of it
        read_problem,
        read_problems,
    )

    path: Path = arguments.file
    errors: list[ConfigError] = []
    if path.is_dir():
        errors += read_problems(path).errors
    else:
        try:
            read_problem(path)
        except ConfigError as error:
            errors.append(error)
    if arguments.json:
        print(_as_json("problems", path, errors, ""))
    elif errors:
        print(*errors, sep="\n", file=sys.stderr)
    elif not arguments.quiet:
        print(f"{path}: the hub can use this")
    return EXIT_WRONG if errors else EXIT_FINE


def _program_of(path: Path) -> str | None:
    return next((program for program in PROGRAMS if path.stem.startswith(program)), None)


def _remark(config: object) -> str:
    """What is allowed and yet hardly meant."""
    if isinstance(config, NodeConfig) and config.sinks.is_empty:
        return "it would send nothing: no [sinks.…] table is there"
    if isinstance(config, NodeConfig | RelayConfig) and config.sinks.hub and config.sinks.hub.tells_token_in_clear:
        return "whoever listens on the network gets its token: write https:// in sinks.hub.url"
    return ""
