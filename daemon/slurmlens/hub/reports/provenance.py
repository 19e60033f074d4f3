"""What a view's figures are worth: who told, how many samples, what went unseen.

Pure. Fed with `JobFacts` and the node rows; every summary says source, completeness and number of samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.events import Witness
from slurmlens.hub.history.facts import JobFacts, OutcomeSource
from slurmlens.hub.reports import format as fmt
from slurmlens.hub.reports.allocation import fold
from slurmlens.hub.reports.usage import source_words
from slurmlens.hub.reports.view import NodeView, Phase, Provenance

_UNHEARD_NAMED = 4


def provenance_of(facts: JobFacts, nodes: Sequence[NodeView], phase: Phase) -> Provenance:
    """Samples of all nodes, whether every one saw everything, and the remarks a careful reader needs."""
    counts = [node.samples for node in nodes if node.samples is not None]
    sources = sorted({node.cpu.source for node in nodes if node.cpu.source})
    return Provenance(
        samples=sum(counts) if counts else None,
        complete=bool(nodes) and all(node.cpu.used is not None and node.cpu.complete for node in nodes),
        unseen_s=max((node.unseen_s for node in nodes), default=0.0),
        source="; ".join(words for words in map(source_words, sources) if words) or None,
        notes=tuple(_notes(facts, phase)),
    )


def _notes(facts: JobFacts, phase: Phase) -> Iterator[str]:
    if facts.record is None:
        yield "The scheduler has not told of this job yet: outcome, limits and name come from the nodes alone."
    if phase is Phase.ENDED and facts.outcome.source is OutcomeSource.NOBODY:
        yield "Nobody has told how it ended."
    inferred = [node.node for node in facts.nodes if Witness.CGROUP in (node.start_witness, node.end_witness)]
    if inferred:
        where = fold(inferred) if len(inferred) <= _UNHEARD_NAMED else fmt.count(len(inferred), "node")
        yield f"Start or end on {where} is from the cgroup tree, not from a hook."
    if facts.held:
        yield f"{fmt.count(len(facts.held), 'sighting')} of this job fit no run of the scheduler yet and are held back."
    if facts.reused_id:
        yield "An older job had the same id; it is not part of this page."
