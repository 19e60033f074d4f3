"""`slurmlens erase USER`: takes a person out of what the hub holds, while the hub is stopped.

Owns the wording; the work is `hub.erasure`'s. Called by `cli.main`, on the hub's machine, by whoever may write its
database.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slurmlens.config.hub import HubConfig
from slurmlens.config.load import HUB_PATH, load_hub
from slurmlens.errors import ConfigError, SlurmlensError

if TYPE_CHECKING:
    from slurmlens.hub.erasure.database import Erased

SUMMARY = "take a person out of what the hub holds"

EPILOG = """example:
  systemctl stop slurmlens-hub
  slurmlens erase alice --yes
  systemctl start slurmlens-hub

The user's jobs stay, for sums to stay right, under a pseudonym that stands nowhere else and that nobody can resolve;
names of jobs, texts, notices, campaigns, sessions and log lines go. Nodes keep what they tell meanwhile. What they
tell later of a job that still runs has its user again: wait until none does.

exit status: 0 done, 1 the database cannot be used now, 2 wrong use or settings, 3 asked without --yes"""

EXIT_FINE, EXIT_AWAY, EXIT_CONFIG, EXIT_NOT_SURE = 0, 1, 2, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("user", metavar="USER", help="the person's Unix name on the cluster")
    parser.add_argument("--yes", action="store_true", help="do it; it cannot be undone")
    parser.add_argument("--config", type=Path, default=HUB_PATH, metavar="FILE", help="settings (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Do it, and say what went."""
    if not arguments.yes:
        print(f"slurmlens erase: this cannot be undone; say --yes to take {arguments.user} out", file=sys.stderr)
        return EXIT_NOT_SURE
    try:
        config = load_hub(arguments.config)
        erased, lines = asyncio.run(_erase(config, arguments.user))
    except ConfigError as error:
        print(f"slurmlens erase: {error}. Is the hub stopped?", file=sys.stderr)
        return EXIT_CONFIG
    except SlurmlensError as error:
        print(f"slurmlens erase: {error}", file=sys.stderr)
        return EXIT_AWAY
    for name, count in sorted(erased.rows.items()):
        print(f"{count:>8}  {name}")
    print(f"{lines:>8}  log lines")
    print(f"{arguments.user}: {len(erased.jobs)} jobs stand under a pseudonym now")
    if erased.bodies_left:
        print(f"{erased.bodies_left} requests are not packed yet: start the hub, and do this again in an hour")
    if config.graph is not None:
        print("the graph has the name until it is made anew: slurmlens graph rebuild")
    return EXIT_FINE


async def _erase(config: HubConfig, user: str) -> tuple[Erased, int]:
    import slurmlens.hub.pipeline  # noqa: F401  # late, as all of the hub: with it come the tables of all rooms
    from slurmlens.hub.database.database_file import held
    from slurmlens.hub.database.store import Store
    from slurmlens.hub.erasure.database import erase
    from slurmlens.hub.erasure.lines import erase_lines

    pseudonym = f"erased-{secrets.token_hex(4)}"
    with held(config.database.url):  # refuses while a hub has it
        store = await Store.open(config.database.url)
        try:
            erased = await store.write(lambda transaction: erase(transaction, user, pseudonym))
        finally:
            await store.close()
    folder = config.logs.path or Path(config.database.url.removeprefix("sqlite:///")).parent / "logs"
    return erased, await asyncio.to_thread(erase_lines, Path(folder), user, erased.jobs)
