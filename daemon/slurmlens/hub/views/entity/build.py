"""An entity's facts, relations and runs to the view that its page shows; pure.

Fed with what the inventory's queries answered, and the list of jobs that history answered under the entity's filter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Finding
from slurmlens.hub.inventory.collectors.nodes import REASON, REASON_BY, STATE, is_out_of_service
from slurmlens.hub.inventory.entities import EXISTS, FOREVER, EntityKind, HeldFact, HeldRelation
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.inventory.software import SET_ATTRIBUTES
from slurmlens.hub.inventory.states import EntityHistory, EntityState, latest_facts
from slurmlens.hub.node_states.facts import NodeCourse, NodeStateTold, OutsidersTold
from slurmlens.hub.views.entity.courses import build_courses
from slurmlens.hub.views.entity.machine import build_machine
from slurmlens.hub.views.entity.outsiders import build_outsiders
from slurmlens.hub.views.entity.view import (
    ChangeLine,
    EntitiesView,
    EntityLine,
    EntityView,
    FactLine,
    RelatedLine,
    RunBand,
    StateView,
)
from slurmlens.hub.views.entity.words import attribute_order, label, node_word, relation_words, value_text
from slurmlens.hub.views.finding.build import build_finding_line
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.hub.views.natural_order import natural
from slurmlens.hub.views.states import STATE_STYLES
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible
from slurmlens.slurm.records import ENDED_UNWELL

DAY_NS = 86_400 * NS_PER_S
_NOT_LISTED = frozenset({EXISTS, STATE, REASON, REASON_BY, *SET_ATTRIBUTES})
"""Facts that the head of a page has already, or a page of their own."""

LISTED = (EXISTS, STATE, REASON, "cpu_count", "memory_bytes")
"""Attributes that a list needs."""


def build_entity_view(
    cluster: str,
    history: EntityHistory,
    jobs: JobsView | None,
    since_ns: int,
    now_ns: int,
    findings: Sequence[Finding] = (),
    machine: NodeStateTold | None = None,
    course: NodeCourse | None = None,
    outsiders: Sequence[OutsidersTold] = (),
) -> EntityView:
    """The page; `jobs` are those that its filter finds now, `findings` those about it, the newest first,
    `machine` what a node's daemon told of it last, `course` what it told in the window, `outsiders` who uses it."""
    state, entity = history.state, history.state.entity
    states = tuple(_states(history.facts, state.at_ns)) if entity.kind == EntityKind.NODE.value else ()
    told = latest_facts(state.facts)
    shown = next((one for one in reversed(states) if one.to_ns is None), None)
    is_known = bool(history.facts or state.relations or (jobs and jobs.rows))
    return EntityView(
        cluster=cluster,
        kind=entity.kind,
        name=entity.name,
        made_ns=now_ns,
        at_ns=state.at_ns,
        since_ns=since_ns,
        sentence=_sentence(entity.kind, shown, told, history.runs, state.at_ns, jobs),
        is_known=is_known,
        state=shown,
        states=states,
        runs=tuple(map(_band, history.runs)),
        facts=tuple(_fact_lines(told)),
        changes=tuple(_changes(history.facts, since_ns)),
        related=tuple(_related(state)),
        jobs=jobs,
        findings=tuple(map(build_finding_line, findings)),
        machine=build_machine(machine, now_ns),
        charts=build_courses(course, since_ns, state.at_ns),
        outsiders=build_outsiders(outsiders, names_node=False),
    )


def build_entities_view(
    cluster: str, kind: str, facts: Iterable[HeldFact], containing: Iterable[HeldRelation], at_ns: int, now_ns: int
) -> EntitiesView:
    """The list of all entities of a kind; `containing` are the relations of partitions to nodes."""
    by_name: dict[str, list[HeldFact]] = {}
    for fact in facts:
        by_name.setdefault(fact.entity.name, []).append(fact)
    partitions: dict[str, list[str]] = {}
    for one in containing:
        if one.other.kind == kind:
            partitions.setdefault(one.other.name, []).append(one.entity.name)
    rows = [_entity_line(name, own, partitions.get(name, ()), kind) for name, own in by_name.items()]
    rows.sort(key=lambda row: (_rank(row), natural(row.name)))
    counts = Counter(row.state.word for row in rows if row.state)
    return EntitiesView(
        cluster=cluster, kind=kind, made_ns=now_ns, at_ns=at_ns, rows=tuple(rows), counts=dict(counts.most_common())
    )


def _entity_line(name: str, facts: Sequence[HeldFact], partitions: Sequence[str], kind: str) -> EntityLine:
    told = latest_facts(facts)
    state = told.get(STATE)
    cores, memory = told.get("cpu_count"), told.get("memory_bytes")
    reason = told.get(REASON)
    return EntityLine(
        name=name,
        state=_state(state, None) if state and kind == EntityKind.NODE.value else None,
        reason=str(reason.value) if reason else None,
        partitions=tuple(sorted(partitions)),
        cpu_count=cores.value if cores and isinstance(cores.value, int) else None,
        memory_bytes=memory.value if memory and isinstance(memory.value, int) else None,
    )


def _rank(row: EntityLine) -> int:
    return {"bad": 0, "warn": 1}.get(row.state.tone, 2) if row.state else 2


def _state(fact: HeldFact, to_ns: int | None) -> StateView:
    word = node_word(str(fact.value))
    return StateView(told=str(fact.value), word=word.word, tone=word.tone, from_ns=fact.valid_from_ns, to_ns=to_ns)


def _states(facts: Iterable[HeldFact], at_ns: int) -> Iterator[StateView]:
    for fact in sorted((one for one in facts if one.attribute == STATE), key=lambda one: one.valid_from_ns):
        yield _state(fact, None if fact.valid_to_ns > at_ns else fact.valid_to_ns)


def _band(run: PlacedRun) -> RunBand:
    style = STATE_STYLES[run.state]
    return RunBand(
        job_id=run.job_id,
        run=run.run,
        state=style.word,
        tone=style.tone,
        user=run.user,
        name=visible(run.name) if run.name else None,
        from_ns=run.start_ns or 0,
        to_ns=run.end_ns,
    )


def _fact_lines(told: dict[str, HeldFact]) -> Iterator[FactLine]:
    for attribute in sorted(told.keys() - _NOT_LISTED, key=attribute_order):
        fact = told[attribute]
        yield FactLine(
            attribute=attribute,
            label=label(attribute),
            value=fact.value,
            text=value_text(attribute, fact.value),
            since_ns=fact.valid_from_ns,
            source=fact.source,
        )


def _changes(facts: Iterable[HeldFact], since_ns: int) -> Iterator[ChangeLine]:
    """What changed in the window, newest first; states and reasons stand in the band."""
    versions: dict[tuple[str, str], list[HeldFact]] = {}
    for fact in facts:
        if fact.attribute not in (STATE, REASON, REASON_BY, *SET_ATTRIBUTES):
            versions.setdefault((fact.attribute, fact.source), []).append(fact)
    found: list[ChangeLine] = []
    for (attribute, _), own in versions.items():
        ordered = sorted(own, key=lambda one: one.valid_from_ns)
        for before, after in zip([None, *ordered], [*ordered, None], strict=True):
            change = _change(attribute, before, after)
            if change is not None and change.time_ns > since_ns:
                found.append(change)
    yield from sorted(found, key=lambda one: (-one.time_ns, one.label))


def _change(attribute: str, before: HeldFact | None, after: HeldFact | None) -> ChangeLine | None:
    """What lies between two versions of a fact; None where nothing changed, or was only heard of for the first time."""
    if before is None:
        return None
    if after is not None and after.valid_from_ns == before.valid_to_ns:
        time_ns, shown = after.valid_from_ns, value_text(attribute, after.value)
    elif before.valid_to_ns != FOREVER:
        time_ns, shown = before.valid_to_ns, None
    else:
        return None
    return ChangeLine(label=label(attribute), before=value_text(attribute, before.value), after=shown, time_ns=time_ns)


def _related(state: EntityState) -> Iterator[RelatedLine]:
    found: dict[tuple[str, str], set[str]] = {}
    for one in state.relations:
        forward = one.entity == state.entity
        other = one.beyond(state.entity)
        found.setdefault((relation_words(one.relation, forward=forward), other.kind), set()).add(other.name)
    for (words, kind), names in sorted(found.items()):
        yield RelatedLine(words=words, kind=kind, names=tuple(sorted(names, key=natural)))


def _sentence(
    kind: str,
    state: StateView | None,
    told: dict[str, HeldFact],
    runs: Sequence[PlacedRun],
    at_ns: int,
    jobs: JobsView | None,
) -> str:
    parts = [_state_sentence(state, told)] if state is not None else []
    if kind == EntityKind.NODE.value:
        parts.append(_jobs_of_a_day(runs, at_ns))
    elif jobs is not None and jobs.rows:
        counts = ", ".join(f"{count} {phase}" for phase, count in jobs.counts.items() if count)
        parts.append(f"Its newest jobs: {counts}.")
    elif EXISTS in told:
        parts.append(f"Known since {fmt.iso_s(told[EXISTS].valid_from_ns)}.")
    return visible(" ".join(part for part in parts if part)) or "Nothing is known of it at this moment."


def _state_sentence(state: StateView, told: dict[str, HeldFact]) -> str:
    words = f"{state.word[0].upper()}{state.word[1:]} since {fmt.moment(state.from_ns, UTC)} UTC"
    reason, by = told.get(REASON), told.get(REASON_BY)
    if reason is None or not is_out_of_service(state.told):
        return f"{words}."
    return f"{words}" + (f" by {by.value}" if by else "") + f": {reason.value}."


def _jobs_of_a_day(runs: Sequence[PlacedRun], at_ns: int) -> str:
    ended = [run for run in runs if run.end_ns is not None and at_ns - DAY_NS < run.end_ns <= at_ns]
    failed = sum(run.state in ENDED_UNWELL for run in ended)
    running = sum(run.end_ns is None or run.end_ns > at_ns for run in runs)
    here = f"{fmt.count(running, 'job')} on it" if running else "No job on it"
    if not ended:
        return f"{here}; none ended in the last day."
    return f"{here}; {failed} of {len(ended)} that ended in the last day failed."
