"""`python3 -m deploy.whole up|status|scale|logs|down|list`: what `slurmlens stack` calls; standard library alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.errors import DeployError
from deploy.whole import commands, description
from deploy.whole.supervisor import supervise

NAME = "slurmlens"


def main() -> int:
    options = _parser().parse_args()
    try:
        return int(options.command(options))
    except DeployError as error:
        print(f"slurmlens stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _supervise(options: argparse.Namespace) -> int:
    rows = description.chosen(options.with_, options.without)
    ports = {service: int(number) for service, _, number in (word.partition("=") for word in options.port)}
    return supervise(options.name, options.compute, rows, ports)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="slurmlens stack",
        description="The whole stack on this machine: Slurm, carbon, the stores, the hub and compute nodes.",
        epilog="exit status: 0 done, 1 it cannot be or a service does not work, 2 bad arguments",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    start = verbs.add_parser("up", help="bring a stack up; returns when all of it works")
    _name(start)
    _contents(start)
    start.add_argument("--in", dest="engine", metavar="ENGINE", help="in containers: podman, or docker")
    start.set_defaults(command=commands.up)
    keep = verbs.add_parser("supervise")
    _name(keep)
    _contents(keep)
    keep.set_defaults(command=_supervise)
    show = verbs.add_parser("status", help="prove that each service does what it is there for")
    _name(show)
    show.add_argument("--json", action="store_true", help="for programs")
    show.set_defaults(command=commands.status)
    change = verbs.add_parser("scale", help="more or fewer compute nodes")
    _name(change)
    change.add_argument("target", metavar="compute=N", help="how many there shall be")
    change.set_defaults(command=commands.scale)
    tell = verbs.add_parser("logs", help="a service's log; without a name, which there are")
    _name(tell)
    tell.add_argument("service", nargs="?", help="its name, or a part of it")
    tell.add_argument("--follow", "-f", action="store_true", help="go on with what comes")
    tell.add_argument("--lines", "-n", type=int, default=50, help="how many (default: %(default)s)")
    tell.set_defaults(command=commands.logs)
    end = verbs.add_parser("down", help="end a stack and leave nothing behind")
    _name(end)
    end.set_defaults(command=commands.down)
    written = verbs.add_parser("compose", help="write the stack as a Compose file with its images and settings")
    written.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    written.add_argument("--build", metavar="ENGINE", help="build the images, too: podman, or docker")
    _contents(written)
    written.set_defaults(command=commands.compose)
    verbs.add_parser("list", help="the stacks that are up").set_defaults(command=commands.listing)
    return parser


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default=NAME, help="which stack, where several are up (default: %(default)s)")


def _contents(parser: argparse.ArgumentParser) -> None:
    switched = [row.name for row in description.SERVICES if row.presence is description.Presence.SWITCHED]
    usual = [row.name for row in description.SERVICES if row.presence is description.Presence.USUAL]
    parser.add_argument("--compute", type=int, default=3, metavar="N", help="compute nodes (default: %(default)s)")
    parser.add_argument(
        "--with", dest="with_", action="append", default=[], metavar="SERVICE", help=f"also: {', '.join(switched)}"
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="SERVICE", help=f"leave out: {', '.join(usual)}"
    )
    parser.add_argument("--port", action="append", default=[], metavar="hub=N", help="of the hub, else a free one")


if __name__ == "__main__":
    sys.exit(main())
