"""What a view's figures are worth: who reported them, how many samples, what went unseen.

Pure. Fed with `JobFacts` and the node rows; every summary says source, completeness and number of samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.events import Witness
from slurmlens.hub.history.conclude.run_extent import RunExtent
from slurmlens.hub.history.facts import Detail, HeldReason, JobFacts, NodeState, OutcomeSource
from slurmlens.hub.history.profiles.coarse import COARSE_BINS
from slurmlens.hub.views.job.usage import source_words
from slurmlens.hub.views.job.view import NodeView, Phase, Provenance
from slurmlens.shown import format as fmt
from slurmlens.slurm import hostlist

_UNHEARD_NAMED = 4


def provenance_of(facts: JobFacts, extent: RunExtent, nodes: Sequence[NodeView], phase: Phase) -> Provenance:
    """Samples of all nodes, whether every one saw everything, and the remarks a careful reader needs."""
    counts = [node.samples for node in nodes if node.samples is not None]
    sources = sorted({node.cpu.source for node in nodes if node.cpu.source})
    return Provenance(
        samples=sum(counts) if counts else None,
        complete=bool(nodes) and all(node.cpu.used is not None and node.cpu.complete for node in nodes),
        unseen_s=max((node.unseen_s for node in nodes), default=0.0),
        source="; ".join(words for words in map(source_words, sources) if words) or None,
        notes=tuple(_notes(facts, extent, phase)),
    )


def _notes(facts: JobFacts, extent: RunExtent, phase: Phase) -> Iterator[str]:
    if phase is not Phase.ENDED and facts.scheduler_silent_since_ns is not None:
        silent_s = (facts.as_of_ns - facts.scheduler_silent_since_ns) / NS_PER_S
        since = f"The scheduler has not answered for {fmt.duration(silent_s)}"
        yield f"{since}; whether the job is still {facts.outcome.state.value.lower()} is not known."
    if facts.record is None:
        yield "The scheduler has not reported this job yet: outcome, limits and name come from the nodes alone."
    if extent.node_list_is_cut:
        yield "The list of its nodes is not whole: the hook kept only its beginning, and the scheduler's is not here."
    if phase is Phase.ENDED and facts.outcome.source is OutcomeSource.NOBODY:
        yield "Nobody has reported how it ended."
    inferred = [node.node for node in facts.nodes if Witness.CGROUP in (node.start_witness, node.end_witness)]
    if inferred:
        yield f"Start or end on {_named(inferred)} is from the cgroup tree, not from a hook."
    yield from _reconciled(facts)
    yield from _dropped(facts)
    yield from _held_back(facts)
    if facts.detail is not Detail.ALL:
        yield _LOST_BY_AGE[facts.detail]
    if facts.reused_id:
        yield "An older job had the same id; it is not part of this page."


def _held_back(facts: JobFacts) -> Iterator[str]:
    """What nodes saw and no run of the scheduler's fits; a job that began after its last answer is the usual case."""
    begun = facts.begun_unknown_to_scheduler
    others = [held for held in facts.held if held.reason is not HeldReason.NOT_STARTED]
    if begun:
        yield f"It has begun on {_named(begun)}: the scheduler's last answer is older and calls it pending."
    if others:
        count = fmt.count(len(others), "sighting")
        yield f"{count} of this job held back: no run of the scheduler's fits yet."


def _named(nodes: Sequence[str]) -> str:
    return hostlist.fold_or_list(nodes) if len(nodes) <= _UNHEARD_NAMED else fmt.count(len(nodes), "node")


_LOST_BY_AGE = {
    Detail.COARSE: f"It ended long ago: its figures over time are kept as {COARSE_BINS} points.",
    Detail.NO_EVENTS: f"It ended long ago: its events are gone, its figures over time are {COARSE_BINS} points.",
    Detail.NO_COURSE: "It ended long ago: its figures over time and its events are gone, totals and peaks are kept.",
}

_CLOSED_WORDS = {
    "not-listed": "its daemon lives and no longer lists the job",
    "node-booted": "it was booted anew",
    "run-ended": "the scheduler ended the run",
    "run-forgotten": "it says no more of it, and the scheduler has forgotten the run",
    "no-run": "it says no more of it, and the scheduler knows no such run",
}


def closed_words(reason: str | None) -> str:
    """Why the hub concluded an end that nobody reported."""
    return _CLOSED_WORDS.get(reason or "", reason or "nobody knows why")


def _dropped(facts: JobFacts) -> Iterator[str]:
    """Which nodes had to give up events while the run was there."""
    told = [(node.node, node.dropped) for node in facts.nodes if node.dropped is not None]
    if not told:
        return
    nodes = [name for name, _ in told]
    where = fmt.count(len(nodes), "node")
    if len(nodes) <= _UNHEARD_NAMED:
        where = f"{'Node' if len(nodes) == 1 else 'Nodes'} {hostlist.fold_or_list(nodes)}"
    lines = fmt.count(sum(dropped.lines for _, dropped in told), "event")
    begin = fmt.iso_s(min(dropped.from_ns for _, dropped in told))
    end = fmt.iso_s(max(dropped.until_ns for _, dropped in told))
    yield f"{where} had to drop {lines} between {begin} and {end}: this page may be incomplete."


def _reconciled(facts: JobFacts) -> Iterator[str]:
    """Whose end was concluded, by why."""
    by_reason: dict[str | None, list[str]] = {}
    for node in facts.nodes:
        if node.state is NodeState.RECONCILED:
            by_reason.setdefault(node.reconciled_reason, []).append(node.node)
    for reason, nodes in by_reason.items():
        where = hostlist.fold_or_list(nodes) if len(nodes) <= _UNHEARD_NAMED else fmt.count(len(nodes), "node")
        yield f"The end on {where} is reconciled, nobody reported it: {closed_words(reason)}."
