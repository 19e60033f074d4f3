"""`slurmlens membership`: compute services that register in Consul become nodes of Slurm, and go when they leave.

Owns the command's words and the wiring; what happens is `slurmlens.membership`'s. Runs until it is ended, on the
controller's machine, as SlurmUser or root. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shlex
import signal
import sys
from pathlib import Path

from slurmlens.config.consul import ConsulConfig
from slurmlens.discovery.client import ConsulClient
from slurmlens.errors import ConfigError
from slurmlens.membership.controller import NodeControl
from slurmlens.membership.keeper import MembershipKeeper, MembershipSettings
from slurmlens.membership.node_file import NodeFile
from slurmlens.shown.text import visible

SUMMARY = "nodes come and go: compute services in Consul become nodes of Slurm"

EPILOG = """A service is registered with metadata `node` (its NodeName); its slurmd is started with -Z, or, where the
nodes stand in a file, registers `cpus`, `memory_mib` and `features` too.

examples:
  slurmlens membership --memory /var/lib/slurmlens/members.json
  slurmlens membership --node-file /etc/slurm/nodes.conf --apply "systemctl restart slurmctld"
  slurmlens membership --once --dry-run

exit status: 0 ended, or with --once all was done; 1 with --once something could not be done; 2 bad arguments"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--consul", metavar="URL", default="http://127.0.0.1:8500", help="the agent (default: %(default)s)"
    )
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="holds a token of Consul's")
    parser.add_argument(
        "--service", metavar="NAME", default="slurmd", help="as which they register (default: %(default)s)"
    )
    parser.add_argument(
        "--interval", metavar="S", type=float, default=10.0, help="seconds between two looks (default: 10)"
    )
    parser.add_argument(
        "--leave-after",
        metavar="S",
        type=float,
        default=30.0,
        help="drain a node that is missing for so long (default: 30)",
    )
    parser.add_argument("--memory", metavar="FILE", type=Path, help="remembers over a restart who was a member")
    parser.add_argument("--slurm-conf", metavar="FILE", type=Path, default=Path("/etc/slurm/slurm.conf"))
    parser.add_argument(
        "--node-file", metavar="FILE", type=Path, help="render nodes into this file, which slurm.conf includes"
    )
    parser.add_argument("--node-options", metavar="WORDS", default="", help="end of every line of that file")
    parser.add_argument("--apply", metavar="COMMAND", default="", help="has slurmctld read that file (no shell)")
    parser.add_argument("--once", action="store_true", help="look once")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def run(arguments: argparse.Namespace) -> int:
    """Keep the nodes until ended."""
    try:
        settings = MembershipSettings(
            service=arguments.service,
            interval_s=max(0.1, arguments.interval),
            leave_after_s=max(0.0, arguments.leave_after),
            memory=arguments.memory,
            node_options=arguments.node_options,
            is_dry_run=arguments.dry_run,
        )
        return asyncio.run(_keep(arguments, settings))
    except ConfigError as error:
        print(f"slurmlens membership: {visible(str(error))}", file=sys.stderr)
        return 2


async def _keep(arguments: argparse.Namespace, settings: MembershipSettings) -> int:
    registry = ConsulClient(ConsulConfig(url=arguments.consul, token_file=arguments.token_file))
    controller = NodeControl(arguments.slurm_conf)
    file = _node_file(arguments, controller)
    keeper = MembershipKeeper(settings, registry, controller, _say, node_file=file)
    try:
        if arguments.once:
            return 0 if await keeper.look() else 1
        task = asyncio.ensure_future(keeper.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return 0
    finally:
        await registry.aclose()


def _node_file(arguments: argparse.Namespace, controller: NodeControl) -> NodeFile | None:
    if arguments.node_file is None:
        return None
    if not arguments.node_file.is_relative_to(arguments.slurm_conf.parent):
        raise ConfigError(
            f"must lie below {arguments.slurm_conf.parent}, to be checked with it", path=arguments.node_file
        )
    return NodeFile(arguments.node_file, arguments.slurm_conf, shlex.split(arguments.apply), controller.answers)


def _say(words: str) -> None:
    print(f"slurmlens membership: {visible(words)}", flush=True)
