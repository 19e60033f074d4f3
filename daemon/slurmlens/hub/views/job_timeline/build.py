"""A run's view and what its nodes went through to one time line. Pure.

Fed with the `JobView` of the job's page, whose bands and marks are taken as they are, with the facts it was made from
(each node's profile), the inventory's facts of its nodes over the window, and how many lines were logged when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.facts import JobFacts, NodeFacts
from slurmlens.hub.inventory.collectors.nodes import REASON, REASON_BY, STATE
from slurmlens.hub.inventory.entities import HeldFact
from slurmlens.hub.logs.store import Slot
from slurmlens.hub.views.entity.words import node_word
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.views.job_timeline.series import node_series, series_grid
from slurmlens.hub.views.job_timeline.view import (
    EventOf,
    JobTimelineView,
    LogCount,
    NodeClock,
    TimelineEvent,
)
from slurmlens.shown import format as fmt
from slurmlens.shown.text import encodable, visible

BOOTED = "boot_s"
ATTRIBUTES = (STATE, REASON, REASON_BY, BOOTED)
"""Of the inventory's facts of a node, those that are events."""

LEAST_SKEW_S = 0.5
"""Closer than this clocks are as good as one: a heartbeat of a busy node takes as long on its way."""

_LOG_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400, 604_800)
_MOST_LOG_BINS = 120


def window_of(facts: JobFacts, margin_s: int) -> tuple[int, int]:
    """[start - margin, end + margin], no later than now; of a run that has not begun, since its submission."""
    start_ns = facts.start_ns or facts.submit_ns or facts.as_of_ns
    end_ns = facts.end_ns or facts.as_of_ns
    from_ns = max(0, start_ns - margin_s * NS_PER_S)
    return from_ns, max(from_ns + NS_PER_S, min(end_ns + margin_s * NS_PER_S, facts.as_of_ns))


def log_width_s(from_ns: int, until_ns: int) -> int:
    """The width of a stretch in which lines are counted: a round one, so that there are at most 120 of them."""
    span_s = (until_ns - from_ns) / NS_PER_S
    return next((width for width in _LOG_WIDTHS_S if span_s / width <= _MOST_LOG_BINS), _LOG_WIDTHS_S[-1])


def build_timeline(
    facts: JobFacts,
    view: JobView,
    margin_s: int,
    told_of_nodes: Sequence[HeldFact] = (),
    slots: Sequence[Slot] | None = None,
) -> JobTimelineView:
    """Everything over one axis; `slots` are counts of lines in stretches of `log_width_s`, None where there is no
    store of lines to count them."""
    from_ns, until_ns = window_of(facts, margin_s)
    events = [*_of_job(view), *_of_findings(view), *_of_nodes(told_of_nodes, from_ns, until_ns), *_lost(facts.nodes)]
    nodes = [node for node in facts.nodes if node.profile is not None]
    end_ns = facts.end_ns or facts.as_of_ns
    grid = None if facts.start_ns is None else series_grid(nodes, facts.start_ns, max(end_ns, facts.start_ns + 1))
    return JobTimelineView(
        made_ns=facts.as_of_ns,
        identity=view.identity,
        state=view.state,
        state_text=view.state_text,
        started_ns=facts.start_ns,
        ended_ns=facts.end_ns,
        margin_s=margin_s,
        from_ns=from_ns,
        until_ns=until_ns,
        bands=view.bands,
        events=tuple(sorted(events, key=lambda event: event.time_ns // NS_PER_S)),
        width_s=grid.width_ns / NS_PER_S if grid else 0.0,
        times_s=grid.middles_s() if grid else (),
        series=tuple(node_series(nodes, grid)) if grid else (),
        log_width_s=None if slots is None else log_width_s(from_ns, until_ns),
        logs=tuple(LogCount(begin_ns=one.begin_ns, lines=one.lines, errors=one.errors) for one in slots or ()),
        clocks=tuple(_clocks(facts.nodes)),
    )


def _of_job(view: JobView) -> Iterator[TimelineEvent]:
    """The marks of the job's page, in their order: the sort by seconds keeps it."""
    for mark in view.marks:
        yield TimelineEvent(
            time_ns=mark.time_ns, of=EventOf.JOB, kind=mark.kind, text=mark.text, where=mark.where, loud=mark.loud
        )


def _of_findings(view: JobView) -> Iterator[TimelineEvent]:
    for one in view.findings:
        text = f"{one.name}: {one.sentence}"
        yield TimelineEvent(time_ns=one.first_ns, of=EventOf.FINDING, kind=one.kind.value, text=text)


def _of_nodes(told: Iterable[HeldFact], from_ns: int, until_ns: int) -> Iterator[TimelineEvent]:
    by_node: dict[str, list[HeldFact]] = {}
    for fact in told:
        by_node.setdefault(fact.entity.name, []).append(fact)
    for node, facts in by_node.items():
        for fact in facts:
            event = _node_event(node, fact, facts)
            if event is not None and from_ns <= event.time_ns <= until_ns:
                yield event


def _node_event(node: str, fact: HeldFact, facts: Sequence[HeldFact]) -> TimelineEvent | None:
    if fact.attribute == BOOTED and isinstance(fact.value, int):
        return TimelineEvent(time_ns=fact.value * NS_PER_S, of=EventOf.NODE, kind="boot", text="booted", where=node)
    if fact.attribute != STATE:
        return None
    word = node_word(str(fact.value))
    said = {
        one.attribute: str(one.value)
        for one in facts
        if one.attribute in (REASON, REASON_BY) and one.holds_at(fact.valid_from_ns)
    }
    by = f" by {visible(said[REASON_BY])}" if REASON_BY in said else ""
    why = f"{by}: {visible(said[REASON])}" if REASON in said and word.tone in ("bad", "warn") else ""
    return TimelineEvent(
        time_ns=fact.valid_from_ns,
        of=EventOf.NODE,
        kind="state",
        text=encodable(f"node {word.word}{why}"),
        where=node,
        loud=word.tone == "bad",
    )


def _lost(nodes: Iterable[NodeFacts]) -> Iterator[TimelineEvent]:
    for node in nodes:
        if node.dropped is not None:
            text = f"its daemon had to give up {fmt.count(node.dropped.lines, 'event')}"
            yield TimelineEvent(
                time_ns=node.dropped.from_ns, of=EventOf.NODE, kind="lost", text=text, where=node.node, loud=True
            )


def _clocks(nodes: Iterable[NodeFacts]) -> Iterator[NodeClock]:
    for node in nodes:
        if node.skew_s is not None and abs(node.skew_s) >= LEAST_SKEW_S:
            yield NodeClock(node=node.node, skew_s=round(node.skew_s, 3))
