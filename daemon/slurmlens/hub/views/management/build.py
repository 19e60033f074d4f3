"""From facts of usage to the management's view: pure.

Fed by the page with what `hub.usage.read` answered for one window; judges by the settings' goals and rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slurmlens.config.management import ManagementConfig
from slurmlens.hub.usage.charges import HOUR_S
from slurmlens.hub.usage.facts import (
    NodeTimeFacts,
    Outage,
    StartedRuns,
    UsageFacts,
    WaitCount,
)
from slurmlens.hub.usage.habits import concerns
from slurmlens.hub.usage.node_time import CLUSTER, UnitState
from slurmlens.hub.usage.service_levels import (
    OUT_OF_PLAN,
    ServiceLevel,
    availability,
    reaction,
    wait_levels,
)
from slurmlens.hub.views.management.view import CourseBin, ManagementView, StateShare, UtilisationRow
from slurmlens.hub.views.usage.build import usage_table
from slurmlens.hub.views.usage.view import UsageTable
from slurmlens.shown import format as fmt

MOST_BINS = 96
TABLES = ("account", "user", "partition", "qos")


class ManagementFacts(NamedTuple):
    """Everything that the view is made of; `waits` are by partition and by what the first table is of."""

    usage: UsageFacts
    nodes: NodeTimeFacts
    waits: Mapping[str, Sequence[WaitCount]]
    outages: Sequence[Outage]
    started: StartedRuns


def build_management_view(
    cluster: str, facts: ManagementFacts, settings: ManagementConfig, by: str, now_s: int
) -> ManagementView:
    """The view, with the table of `by` first."""
    order = (by, *(one for one in TABLES if one != by))
    tables = tuple(usage_table(facts.usage, one, facts.waits.get(one, ())) for one in order)
    levels = (
        availability(facts.nodes, settings.availability_goal),
        reaction(facts.outages, settings.reaction_goal_s, now_s),
        *wait_levels(facts.waits["partition"], settings.wait_p95_goal_s, settings.wait_goals),
    )
    utilisation = _utilisation(facts, next(one for one in tables if one.by == "partition"))
    return ManagementView(
        cluster=cluster,
        made_s=now_s,
        from_s=facts.usage.window.from_s,
        to_s=facts.usage.window.to_s,
        sentence=_sentence(utilisation, tables[0], levels),
        by=by,
        course=_course(facts.nodes),
        utilisation=utilisation,
        tables=tables,
        levels=levels,
        outages=tuple(facts.outages),
        job_types=facts.started.job_types,
        concerns=tuple(concerns(facts.started.habits, facts.started.bursts, settings)),
        backlog=facts.usage.backlog,
    )


def _utilisation(facts: ManagementFacts, partitions: UsageTable) -> tuple[UtilisationRow, ...]:
    """The cluster first, then each partition that has nodes."""
    own = {row.name: row.sums.core_s for row in partitions.rows}
    places = sorted({place for place, _ in facts.nodes.totals})
    rows = []
    for place in places:
        core_s = {state: sums.core_s for (name, state), sums in facts.nodes.totals.items() if name == place}
        beyond = core_s.pop(UnitState.OVERSUBSCRIBED, 0)
        total = sum(core_s.values())
        held = min(total, core_s.get(UnitState.ALLOCATED, 0)) if place == CLUSTER else own.get(place, 0)
        in_service = total - sum(core_s.get(state, 0) for state in OUT_OF_PLAN)
        states = tuple(
            StateShare(state=state.value, core_s=core_s[state], share=core_s[state] / total)
            for state in UnitState
            if core_s.get(state) and total
        )
        rows.append(
            UtilisationRow(
                name=place,
                total_core_s=total,
                own_core_s=held,
                of_installed=held / total if total else None,
                of_in_service=held / in_service if in_service else None,
                states=states,
                oversubscribed_core_s=beyond,
            )
        )
    return tuple(rows)


def _course(nodes: NodeTimeFacts) -> tuple[CourseBin, ...]:
    """At most `MOST_BINS` stretches of whole hours (the first and the last may be cut)."""
    window = nodes.window
    begin_s = window.from_s // HOUR_S * HOUR_S
    hours = -(-(window.to_s - begin_s) // HOUR_S)
    width_s = HOUR_S * max(1, -(-hours // MOST_BINS))
    found: dict[int, dict[str, int]] = {}
    for (hour_s, state), sums in sorted(nodes.course.items(), key=lambda item: (item[0][0], item[0][1].value)):
        if state is not UnitState.OVERSUBSCRIBED and sums.core_s:
            own = found.setdefault((hour_s - begin_s) // width_s, {})
            own[state.value] = own.get(state.value, 0) + sums.core_s
    return tuple(
        CourseBin(
            max(window.from_s, begin_s + number * width_s),
            min(window.to_s, begin_s + (number + 1) * width_s),
            core_s,
        )
        for number, core_s in sorted(found.items())
    )


def _sentence(utilisation: Sequence[UtilisationRow], table: UsageTable, levels: Sequence[ServiceLevel]) -> str:
    parts = []
    cluster = next((one for one in utilisation if one.name == CLUSTER), None)
    if cluster is not None and cluster.of_in_service is not None:
        parts.append(f"{fmt.percent(cluster.of_in_service)} of the cores in service were allocated")
    if table.rows and table.rows[0].share:
        first = table.rows[0]
        parts.append(f"{first.name or 'nobody known'} used the most, {fmt.percent(first.share)}")
    missed = sum(level.is_met is False for level in levels)
    judged = sum(level.is_met is not None for level in levels)
    if judged:
        parts.append(f"{judged - missed} of {judged} promises were kept")
    return "; ".join(parts) + "." if parts else "Nothing ran in this window, as far as the hub knows."
