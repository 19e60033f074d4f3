"""Ended runs, each with all that it had, as `common_cause` wants them: pure.

Owns what counts: failed are FAILED, OUT_OF_MEMORY and NODE_FAIL, succeeded is COMPLETED; a time limit, a cancellation
and a preemption say nothing about a cause. What a run had is its user, account and partition, its nodes, the switches
above them, what the nodes were made of and what was installed on them, as of the moment when it began. Fed by
`read.queries`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from slurmlens.hub.inventory.common_cause import Candidate, Trial
from slurmlens.hub.inventory.entities import HeldFact
from slurmlens.hub.inventory.questions.below import Above
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.inventory.software import SET_ATTRIBUTES
from slurmlens.slurm.records import JobState

FAILURES = frozenset({JobState.FAILED, JobState.OUT_OF_MEMORY, JobState.NODE_FAIL})
SUCCESSES = frozenset({JobState.COMPLETED})

MADE_OF = ("operating_system", "slurm_version", "architecture", "gres")
"""Attributes of a node that may explain a failure: each value is a candidate."""


Software = Mapping[str, frozenset[Candidate]]
"""Candidates by the digest of a set of packages (`questions.software`)."""


def trials(
    runs: Iterable[PlacedRun],
    above: Mapping[str, Sequence[Above]],
    facts: Iterable[HeldFact],
    software: Software = MappingProxyType({}),
) -> list[Trial]:
    """One trial a run that ended well or badly; `above` and `facts` are of the whole window, sets of packages too."""
    made_of: dict[str, list[HeldFact]] = {}
    installed: dict[str, list[HeldFact]] = {}
    for fact in facts:
        of_kind = installed if fact.attribute in SET_ATTRIBUTES else made_of
        of_kind.setdefault(fact.entity.name, []).append(fact)
    return [
        _trial(run, above, made_of, _sets(run, installed, software))
        for run in runs
        if run.state in FAILURES | SUCCESSES
    ]


def _trial(
    run: PlacedRun,
    above: Mapping[str, Sequence[Above]],
    made_of: Mapping[str, Sequence[HeldFact]],
    sets: tuple[frozenset[Candidate], ...],
) -> Trial:
    return Trial(
        failed=run.state in FAILURES,
        user=run.user,
        job_name=run.name,
        node_count=len(run.nodes),
        candidates=frozenset(_candidates(run, above, made_of)),
        sets=sets,
    )


def _candidates(
    run: PlacedRun, above: Mapping[str, Sequence[Above]], made_of: Mapping[str, Sequence[HeldFact]]
) -> Iterator[Candidate]:
    for kind in ("user", "account", "partition"):
        name = getattr(run, kind)
        if name:
            yield Candidate(kind, name)
    at_ns = _began_ns(run)
    for node in run.nodes:
        yield Candidate("node", node)
        for one in above.get(node, ()):
            if one.valid_from_ns <= at_ns < one.valid_to_ns:
                yield Candidate("switch", one.switch)
        for fact in made_of.get(node, ()):
            if fact.holds_at(at_ns):
                yield Candidate(fact.attribute, str(fact.value))


def _sets(
    run: PlacedRun, installed: Mapping[str, Sequence[HeldFact]], software: Software
) -> tuple[frozenset[Candidate], ...]:
    """The sets of packages of its nodes, each once."""
    at_ns = _began_ns(run)
    digests = {str(fact.value): None for node in run.nodes for fact in installed.get(node, ()) if fact.holds_at(at_ns)}
    return tuple(software[one] for one in digests if one in software)


def _began_ns(run: PlacedRun) -> int:
    return run.start_ns or run.end_ns or 0
