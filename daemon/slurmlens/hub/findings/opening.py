"""Makes the room of findings as the settings say, and its stages. Called by `hub.pipeline`."""

from __future__ import annotations

import logging

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.database.store import Store
from slurmlens.hub.findings.keeping import FindingKeeper
from slurmlens.hub.findings.problems.problem_file import read_problems
from slurmlens.hub.findings.read import FindingQueries
from slurmlens.hub.findings.reading import RecentRuns
from slurmlens.hub.findings.room import FindingRoom
from slurmlens.hub.findings.stage import FindingStage
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.logs.opening import HubLogs
from slurmlens.hub.news import News
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.hub.stages import RoomStages
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


def stages_of_findings(
    room: FindingRoom,
    queries: Queries,
    config: HubConfig,
    store: Store,
    logs: HubLogs | None,
    news: News,
    clock: Clock,
    reporter: Reporter,
) -> RoomStages:
    """Who looks for what is wrong: one hub for all, but each hears the lines that it takes."""
    recent = RecentRuns(store, config.cluster)
    source, tail = (None, None) if logs is None else (logs.source, logs.tail)
    states = NodeStateQueries(store, config.cluster)
    stage = FindingStage(room, queries, recent, source, tail, news, clock, reporter, states)
    return RoomStages(led=(("findings", stage.run),), everywhere=(("lines of trouble", stage.hear_lines),))
