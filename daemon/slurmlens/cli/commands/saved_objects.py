"""`slurmlens saved-objects --out FILE`: views of log lines for Kibana and OpenSearch Dashboards, to be imported there.

Owns the file. Asks nobody: what is in it depends on the index pattern and on how its fields are called. Objects are
`hub.dashboards.saved_objects`'. Called by `cli.main`, by hand.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from slurmlens.hub.dashboards.line_fields import ECS, OF_2015
from slurmlens.hub.dashboards.saved_objects import saved_objects
from slurmlens.runtime.whole_file import write_whole

SUMMARY = "write views of log lines for Kibana and OpenSearch Dashboards into a file that these import"

EPILOG = """example:
  slurmlens saved-objects --out slurmlens.ndjson --pages https://slurmlens.example.org
  slurmlens saved-objects --out slurmlens.ndjson --index 'logstash-*' --names 2015

Import it at Stack Management (Dashboards Management), Saved objects; importing again replaces.

exit status: 0 written, 2 the file cannot be written"""

EXIT_DONE, EXIT_USAGE = 0, 2
NAMES = {"ecs": ECS, "2015": OF_2015}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the objects go")
    parser.add_argument(
        "--index",
        default="slurmlens-logs-*",
        metavar="PATTERN",
        help="the indices to look at (default: slurmlens-logs-*, the hub's own)",
    )
    parser.add_argument(
        "--names",
        choices=tuple(NAMES),
        default="ecs",
        help="how fields are called there (default: ecs, the hub's)",
    )
    parser.add_argument("--pages", default="", metavar="URL", help="where browsers reach the hub, for links to jobs")


def run(arguments: argparse.Namespace) -> int:
    """Write the file and say where it is to be imported."""
    content = saved_objects(arguments.index, NAMES[arguments.names], arguments.pages.rstrip("/"))
    try:
        write_whole(arguments.out, content)
    except OSError as error:
        print(f"slurmlens saved-objects: cannot write {arguments.out}: {error.strerror or error}", file=sys.stderr)
        return EXIT_USAGE
    print(f"{content.count(10)} objects in {arguments.out}: import them at Saved objects")
    return EXIT_DONE
