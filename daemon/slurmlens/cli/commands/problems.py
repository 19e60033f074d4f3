"""`slurmlens problems`: the known problems of a folder, and one of them tried on cases.

Reads files of this machine and asks nobody; what a problem means is decided by the hub's own matcher. Called by
`cli.main`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from slurmlens.errors import ConfigError
from slurmlens.hub.findings.problems.cases import Case, claims_of, read_cases
from slurmlens.hub.findings.problems.guide import guide_of
from slurmlens.hub.findings.problems.problem import ProblemDefinition
from slurmlens.hub.findings.problems.problem_file import KINDS, read_problem, read_problems
from slurmlens.shown.text import visible

SUMMARY = "known problems: list those of a folder, try one on cases"

EPILOG = """example:
  slurmlens problems list
  slurmlens problems test /etc/slurmlens/problems/black-hole.toml
  slurmlens problems test mine.toml --on last-week.toml

exit status: 0 all is as it should be, 1 a case is not as it says, 2 a file cannot be used"""

FOLDER = Path("/etc/slurmlens/problems")
EXIT_FINE, EXIT_CASE, EXIT_WRONG = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    what = parser.add_subparsers(dest="what", required=True, metavar="list|test|kinds")
    listing = what.add_parser("list", help="name them, and what is wrong with files that cannot be used")
    listing.add_argument(
        "folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER", help=f"{FOLDER} where not set"
    )
    listing.add_argument("--json", action="store_true", help="the same as JSON")
    what.add_parser("kinds", help="name the kinds of log lines that signs can look for")
    test = what.add_parser("test", help="try one on its cases")
    test.add_argument("file", type=Path, metavar="FILE", help="the problem's file")
    test.add_argument("--on", type=Path, metavar="CASE", help="a file of cases; else cases/NAME.toml beside it")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    try:
        return {"list": _list, "test": _test, "kinds": _kinds}[arguments.what](arguments)
    except ConfigError as error:
        print(f"slurmlens problems: {visible(str(error))}", file=sys.stderr)
        return EXIT_WRONG


def _kinds(_arguments: argparse.Namespace) -> int:
    print(*sorted(KINDS), sep="\n")
    return EXIT_FINE


def _list(arguments: argparse.Namespace) -> int:
    read = read_problems(arguments.folder)
    if arguments.json:
        told = [{"name": one.name, "title": one.title, "about": one.about} for one in read.problems]
        print(json.dumps({"problems": told, "errors": [str(error) for error in read.errors]}, indent=1))
    else:
        for one in read.problems:
            print(f"{one.name:<24} {visible(one.title)}")
        if not read.problems and not read.errors:
            print(f"no problems in {arguments.folder}", file=sys.stderr)
        print(*read.errors, sep="\n", end="\n" if read.errors else "", file=sys.stderr)
    return EXIT_WRONG if read.errors else EXIT_FINE


def _test(arguments: argparse.Namespace) -> int:
    problem = read_problem(arguments.file)
    cases = read_cases(arguments.on or arguments.file.parent / "cases" / arguments.file.name)
    wrong = sum(not _tried(problem, case) for case in cases)
    print(f"{len(cases) - wrong} of {len(cases)} cases are as they say")
    return EXIT_CASE if wrong else EXIT_FINE


def _tried(problem: ProblemDefinition, case: Case) -> bool:
    """Prints what came of one case; whether it is as it says."""
    claims = claims_of(problem, case)
    good = bool(claims) == case.matches
    words = "matches" if claims else "does not match"
    print(f"{'ok ' if good else 'BAD'} {visible(case.name)}: {words}")
    for claim in claims:
        print(f"      {visible(claim.sentence)} ({visible(claim.basis)})")
        for command in guide_of(problem, claim.values).commands:
            print(f"      remedy: {visible(command)}")
    return good
