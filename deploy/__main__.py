"""`python3 -m deploy up|shell|run|list|clean`: a small real Slurm by hand, and a way into any running instance."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from deploy import instance
from deploy.errors import DeployError
from deploy.sandbox import Sandbox, enter_command
from deploy.slurm import SmallSlurm
from deploy.slurmlens import shell_variables


def main() -> int:
    options = _parser().parse_args()
    try:
        return int(options.command(options))
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1


def up(options: argparse.Namespace) -> int:
    """Starts a small Slurm and keeps it until Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    began = time.monotonic()
    with Sandbox(keep=options.keep) as sandbox:
        extra = options.conf.read_text() if options.conf else ""
        slurm = SmallSlurm(sandbox, nodes=options.nodes, prolog=options.prolog, epilog=options.epilog, extra_conf=extra)
        print(f"instance {sandbox.identity}, everything below {sandbox.folder}", flush=True)
        print(f"jobs are counted by: {slurm.cgroup.kind.value} ({slurm.cgroup.reason})", flush=True)
        slurm.start()
        print(f"ready after {time.monotonic() - began:.1f} s: {' '.join(slurm.node_names)}", flush=True)
        print(
            f"a shell in it: python3 -m deploy shell --instance {sandbox.identity} --user alice; Ctrl-C ends it",
            flush=True,
        )
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopping")
        finally:
            slurm.stop()
    return 0


def shell(options: argparse.Namespace) -> int:
    """Replaces this process by a shell, or by a command, inside a running instance."""
    folder = _find(options.instance)
    argv = options.argv or ["bash"]  # a login shell would set PATH anew
    home = folder / "home" / options.user
    cwd = home if home.exists() else folder
    command = enter_command(_holder_pid(folder), folder, argv, user=options.user, cwd=cwd, env=shell_variables(folder))
    terminal = os.environ.get("TERM")
    if terminal:
        command.insert(command.index("-i") + 1, f"TERM={terminal}")
    os.execvp(command[0], command)


def show(options: argparse.Namespace) -> int:
    """Lists instances."""
    for folder in sorted(instance.folders()):
        print(instance.identity(folder), "live" if instance.is_live(folder) else "dead", folder)
    return 0


def clean(options: argparse.Namespace) -> int:
    """Removes what dead instances left."""
    removed = instance.remove_leftovers()
    print(f"removed: {', '.join(removed) or 'nothing'}")
    return 0


def _find(identity: str | None) -> Path:
    live = {instance.identity(folder): folder for folder in instance.folders() if instance.is_live(folder)}
    if identity is None and len(live) == 1:
        return next(iter(live.values()))
    if identity not in live:
        raise DeployError(f"which instance? running: {', '.join(sorted(live)) or 'none'}")
    return live[identity]


def _holder_pid(folder: Path) -> int:
    return int(json.loads((folder / instance.MARK).read_text())[-1]["pid"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m deploy", description=__doc__)
    commands = parser.add_subparsers(required=True)
    start = commands.add_parser("up", help="start a small Slurm, stay until Ctrl-C")
    start.add_argument("--nodes", type=int, default=3)
    start.add_argument("--prolog", type=Path, help="program for Prolog=")
    start.add_argument("--epilog", type=Path, help="program for Epilog=")
    start.add_argument("--conf", type=Path, help="file with further lines for slurm.conf")
    start.add_argument("--keep", type=Path, action="append", default=[], help="path below /tmp to keep visible inside")
    start.set_defaults(command=up)
    for name, summary in (("shell", "a shell in a running instance"), ("run", "a command in a running instance")):
        enter = commands.add_parser(name, help=summary)
        enter.add_argument("--instance", help="its id; may be left out while only one runs")
        enter.add_argument("--user", default="root")
        enter.set_defaults(command=shell, argv=[])
        if name == "run":
            enter.add_argument("argv", nargs=argparse.REMAINDER, help="the command")
    commands.add_parser("list", help="list instances").set_defaults(command=show)
    commands.add_parser("clean", help="remove what dead instances left").set_defaults(command=clean)
    return parser


if __name__ == "__main__":
    sys.exit(main())
