"""Starts, ends and failures of jobs as annotations of Grafana, and which of them a board shows: pure.

Owns the tags. A run is one region from its start to its end (a point while it runs), known by its tag `job:ID.RUN`;
it is tagged with its user, partition and nodes, so that a board finds it by what the board is of. Texts of users pass
`escaped`, tags hold only what a carbon component holds. Format: Grafana's annotations API, `/api/annotations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError
from slurmlens.hub.dashboards.model import Board, BoardKind
from slurmlens.hub.dashboards.texts import cluster_tag, escaped
from slurmlens.hub.views.jobs.view import JobLine
from slurmlens.slurm import hostlist
from slurmlens.slurm.records import ENDED_UNWELL
from slurmlens.wire.carbon import component

MOST_NODE_TAGS = 32
MOST_SHOWN = 100
NS_PER_MS = NS_PER_S // 1000
JOBS, FAILED = "slurmlens-job", "failed"
OWN_SOURCE = {"type": "grafana", "uid": "-- Grafana --"}
"""The data source of annotations that Grafana keeps itself."""


class JobMark(msgspec.Struct, frozen=True, kw_only=True):
    """One run as an annotation; `end_ms` is None while it runs."""

    begin_ms: int
    end_ms: int | None
    tags: tuple[str, ...]
    text: str

    @property
    def key(self) -> str:
        """The tag that it is known by."""
        return next(tag for tag in self.tags if tag.startswith("job:"))

    @property
    def body(self) -> dict[str, Any]:
        """As the API takes it."""
        end = {} if self.end_ms is None else {"timeEnd": self.end_ms}
        return {"time": self.begin_ms, **end, "tags": list(self.tags), "text": self.text}


def marks_of(cluster: str, lines: Iterable[JobLine], pages_url: str = "") -> Iterator[JobMark]:
    """One of each run that has started."""
    for line in lines:
        if line.started_ns is None:
            continue
        page = f"{pages_url}/jobs/{line.job_id}/{line.run}" if pages_url else ""
        link = f' <a href="{page}">page</a>' if page else ""
        words = f"{line.job_id} {escaped(line.name or '')} {escaped(line.user or '')}: {escaped(line.state_text)}"
        yield JobMark(
            begin_ms=line.started_ns // NS_PER_MS,
            end_ms=None if line.ended_ns is None else line.ended_ns // NS_PER_MS,
            tags=tuple(_tags(cluster, line)),
            text=words + link,
        )


def _tags(cluster: str, line: JobLine) -> Iterator[str]:
    yield JOBS
    yield cluster_tag(cluster)
    yield f"job:{line.job_id}.{line.run}"
    if line.state in ENDED_UNWELL:
        yield FAILED
    if line.user:
        yield f"user:{component(line.user)}"
    if line.partition:
        yield f"partition:{component(line.partition)}"
    try:
        nodes = hostlist.expand(line.node_list) if line.node_list else ()
    except DecodeError:
        nodes = ()
    yield from (f"node:{component(node)}" for node in nodes[:MOST_NODE_TAGS])


def annotations_of(board: Board) -> list[dict[str, Any]]:
    """What this board asks for: all jobs on it, and the failed ones in a colour of their own; on the cluster's own
    boards the failed ones alone, for all would hide the curves."""
    of = {BoardKind.PARTITION: "partition", BoardKind.NODE: "node", BoardKind.USER: "user", BoardKind.JOB: "job"}
    shared = [JOBS, cluster_tag(board.cluster)]
    if board.kind in of:
        name = board.name if board.kind is BoardKind.JOB else component(board.name)
        mine = [*shared, f"{of[board.kind]}:{name}"]
        return [_asked("Jobs", "blue", mine), _asked("Failed jobs", "red", [*mine, FAILED])]
    return [_asked("Failed jobs", "red", [*shared, FAILED])]


def _asked(name: str, colour: str, tags: list[str]) -> dict[str, Any]:
    target = {"type": "tags", "tags": tags, "matchAny": False, "limit": MOST_SHOWN}
    return {
        "name": name,
        "iconColor": colour,
        "enable": True,
        "hide": False,
        "datasource": OWN_SOURCE,
        "target": target,
    }
