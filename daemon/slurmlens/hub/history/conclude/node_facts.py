"""One node's part in a run, from its sightings' rows and events: pure.

Called by `read.job_reader`; makes `facts.NodeFacts`. Totals are put together by `merge`, courses by `profiles.fold`;
this module says what state the node's part is in, from when to when it was, and how much of that was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from slurmlens.clock import NS_PER_S
from slurmlens.events import Figure, Totals, Witness
from slurmlens.hub.history.conclude.merge import merge_totals
from slurmlens.hub.history.facts import NodeFacts, NodeHeard, NodeState
from slurmlens.hub.history.profiles.course import Course
from slurmlens.hub.history.profiles.fold import put_together

Row = Mapping[str, Any]

SILENT_AFTER_S = 90.0
SILENT_AFTER_BEATS = 3


@dataclass(slots=True)
class Part:
    """What is known of one sighting: its row, its course as far as it came, its totals once its summary came."""

    row: Row
    totals: Totals | None = None
    course: Course | None = None

    @property
    def is_open(self) -> bool:
        """Nobody reported its end, and it was not closed."""
        return self.row["end_ns"] is None and self.row["closed_ns"] is None

    @property
    def awaits_summary(self) -> bool:
        """More is to come of it."""
        return self.row["summary_id"] is None and self.row["closed_ns"] is None


def unheard(node: str, heard: NodeHeard | None, failed: tuple[int, ...]) -> NodeFacts:
    """A node that the scheduler names and that reported nothing of the run."""
    return NodeFacts(
        node=node,
        state=NodeState.UNHEARD,
        last_heard_ns=heard.last_heard_ns if heard else None,
        skew_s=heard.skew_s if heard else None,
        other_failed_jobs_today=failed,
    )


def node_facts(
    node: str, parts: Sequence[Part], heard: NodeHeard | None, failed: tuple[int, ...], now_ns: int
) -> NodeFacts:
    """The node's part in the run; `parts` are its sightings, of which there is one at least."""
    parts = sorted(parts, key=lambda part: (part.row["start_ns"], part.row["first_boottime_ns"]))
    first, last = parts[0].row, parts[-1].row
    is_open = any(part.is_open for part in parts)
    told = [part.totals for part in parts if part.totals]
    totals = merge_totals(told)
    courses = [part.course for part in parts if part.course]
    unseen_s = _unseen_s(parts)
    return NodeFacts(
        node=node,
        state=_state(parts, heard, now_ns),
        start_ns=first["start_ns"],
        end_ns=None if is_open else last["end_ns"] or last["closed_ns"],
        start_witness=Witness(first["start_witness"]) if first["start_witness"] else None,
        end_witness=Witness(last["end_witness"]) if last["end_witness"] else None,
        reconciled_reason=last["closed_reason"],
        slot=next((part.row["slot"] for part in reversed(parts) if part.row["slot"] is not None), None),
        samples=totals.samples if totals else 0,
        totals=totals,
        profile=put_together(courses) if courses else None,
        unseen_s=unseen_s,
        complete=len(told) == len(parts) and unseen_s == 0 and totals is not None and _is_complete(totals),
        sightings=len(parts),
        last_heard_ns=heard.last_heard_ns if heard else last["heard_ns"],
        skew_s=heard.skew_s if heard else None,
        other_failed_jobs_today=failed,
    )


def _state(parts: Sequence[Part], heard: NodeHeard | None, now_ns: int) -> NodeState:
    if any(part.is_open for part in parts):
        patience_s = max(SILENT_AFTER_S, SILENT_AFTER_BEATS * ((heard and heard.interval_s) or 0.0))
        heard_ns = heard.last_heard_ns if heard else parts[-1].row["heard_ns"]
        return NodeState.SILENT if now_ns - heard_ns > patience_s * NS_PER_S else NodeState.RUNNING
    return NodeState.RECONCILED if parts[-1].row["end_ns"] is None else NodeState.ENDED


def _unseen_s(parts: Sequence[Part]) -> float | None:
    """Seconds in which nobody watched: those that the summaries report, and those between two sightings; None where
    nobody can say."""
    told = [part.row["unseen_s"] for part in parts if part.row["unseen_s"] is not None]
    if not told:
        return None
    gaps = 0.0
    for earlier, later in pairwise(parts):
        end_ns = earlier.row["end_ns"] or earlier.row["closed_ns"] or later.row["start_ns"]
        gaps += max(0, later.row["start_ns"] - end_ns) / NS_PER_S
    return float(sum(told)) + gaps


def _is_complete(totals: Totals) -> bool:
    figures = (getattr(totals, name) for name in totals.__struct_fields__)
    return all(figure.complete for figure in figures if isinstance(figure, Figure))
