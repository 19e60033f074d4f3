"""`slurmlens graph rebuild`: makes the graph in Neo4j anew from the hub's database, whether the hub runs or not.

Owns the wording; the work is `hub.graph.projecting`'s. A hub that runs waits meanwhile, and goes on where this began.
Called by `cli.main`, on the hub's machine, by whoever may read its settings and its database.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from slurmlens.config.hub import HubConfig
from slurmlens.config.load import HUB_PATH, load_hub
from slurmlens.errors import ConfigError, DeliveryError

SUMMARY = "make the graph in Neo4j anew from the hub's database"

EPILOG = """example:
  slurmlens graph rebuild
  slurmlens graph rebuild --config /etc/slurmlens/hub.toml

exit status: 0 it was made, 1 the database or Neo4j did not answer, 2 the settings cannot be used"""

EXIT_FINE, EXIT_AWAY, EXIT_CONFIG = 0, 1, 2
_DAY_NS = 86_400 * 10**9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "action", choices=("rebuild",), help="take the cluster's graph away and write it from the start"
    )
    parser.add_argument("--config", type=Path, default=HUB_PATH, metavar="FILE", help="settings (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Make it, and say how long it took."""
    began = time.monotonic()
    try:
        config = load_hub(arguments.config)
        things, jobs = asyncio.run(_rebuild(config))
    except ConfigError as error:
        print(f"slurmlens graph: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except DeliveryError as error:
        print(f"slurmlens graph: {error}", file=sys.stderr)
        return EXIT_AWAY
    print(f"{things} things and {jobs} jobs of {config.cluster} are in the graph, in {time.monotonic() - began:.1f} s")
    return EXIT_FINE


async def _rebuild(config: HubConfig) -> tuple[int, int]:
    if config.graph is None:
        raise ConfigError("there is no [graph]: say where Neo4j is", key="graph")
    from slurmlens.hub.database.reader import DatabaseReader  # late: no other command needs a database, or the driver
    from slurmlens.hub.graph.neo4j_store import Neo4jGraph
    from slurmlens.hub.graph.projecting import rebuild

    reader = DatabaseReader(config.database.url)
    graph = Neo4jGraph(config.graph, config.cluster)
    try:
        ended_after_ns = time.time_ns() - round(config.graph.jobs_days * _DAY_NS)
        await rebuild(reader.read, graph, config.cluster, ended_after_ns)
        return await graph.count()
    finally:
        await graph.close()
        reader.close()
