"""Makes the room of findings as the settings say. Called by `hub.pipeline`."""

from __future__ import annotations

import logging

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.database.store import Store
from slurmlens.hub.findings.keeping import FindingKeeper
from slurmlens.hub.findings.problems.problem_file import read_problems
from slurmlens.hub.findings.read import FindingQueries
from slurmlens.hub.findings.room import FindingRoom
from slurmlens.hub.news import News
from slurmlens.telemetry.internal import InternalEvent, Reporter

PROBLEM_LEFT_OUT = InternalEvent("known_problems_left_out", logging.WARNING, "a known problem is left out: {problem}")


def open_findings(config: HubConfig, store: Store, news: News, clock: Clock, reporter: Reporter) -> FindingRoom | None:
    """Findings, with the known problems that the folder holds; a file that cannot be used is told of and left out.

    None where they are switched off.
    """
    if not config.findings.enabled:
        return None
    read = read_problems(config.findings.problems_path)
    for error in read.errors:
        reporter.report(PROBLEM_LEFT_OUT, problem=str(error))
    keeper, queries = FindingKeeper(store, config.cluster), FindingQueries(store, config.cluster)
    return FindingRoom(keeper, queries, news, clock, read.problems)
