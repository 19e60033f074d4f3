"""Facts, relations and runs of one moment to the map of the cluster: pure.

The order of everything is that of names, and a job's colour follows from its id alone, so the map of two moments looks
alike where the cluster was. A node below several switches (two fabrics) stands below the first of them; a switch below
several others below the first. Fed with what the inventory answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from slurmlens.hub.inventory.collectors.nodes import STATE
from slurmlens.hub.inventory.entities import CONTAINS, EXISTS, EntityKind, HeldFact, HeldRelation
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.views.cluster_map.view import ClusterMapView, MapJob, MapNode, MapSwitch
from slurmlens.hub.views.entity.words import node_word
from slurmlens.hub.views.natural_order import natural
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

ATTRIBUTES = (EXISTS, STATE)
COLOURS = 12
_SWITCH, _NODE = EntityKind.SWITCH.value, EntityKind.NODE.value


def build_cluster_map(
    cluster: str,
    facts: Iterable[HeldFact],
    containing: Iterable[HeldRelation],
    runs: Sequence[PlacedRun],
    at_ns: int,
    now_ns: int,
    *,
    has_more: bool = False,
) -> ClusterMapView:
    """The map; `containing` are what switches contain, `runs` those that ran at that moment."""
    ordered = sorted(runs, key=lambda run: (run.job_id, run.run))
    on_node: dict[str, list[int]] = {}
    for place, run in enumerate(ordered):
        for node in run.nodes:
            on_node.setdefault(node, []).append(place)
    nodes = {node.name: node for node in _nodes(facts, on_node)}
    switches = tuple(_switches(nodes, list(containing)))
    return ClusterMapView(
        cluster=cluster,
        made_ns=now_ns,
        at_ns=at_ns,
        sentence=_sentence(len(nodes), sum(bool(one.name) for one in switches), len(ordered), len(on_node)),
        switches=switches,
        jobs=tuple(map(_job, ordered)),
        has_more=has_more,
    )


def colour_of(job_id: int) -> int:
    """A number below `COLOURS`, for a job's whole life the same; neighbours in number differ."""
    return job_id * 5 % COLOURS


def _job(run: PlacedRun) -> MapJob:
    return MapJob(
        job_id=run.job_id,
        run=run.run,
        name=visible(run.name) if run.name else None,
        user=run.user,
        nodes=len(run.nodes),
        colour=colour_of(run.job_id),
    )


def _nodes(facts: Iterable[HeldFact], on_node: Mapping[str, Sequence[int]]) -> Iterable[MapNode]:
    states: dict[str, str] = {}
    for fact in sorted(facts, key=lambda one: one.valid_from_ns):
        states.setdefault(fact.entity.name, "UNKNOWN")
        if fact.attribute == STATE:
            states[fact.entity.name] = str(fact.value)
    for name, told in states.items():
        word = node_word(told)
        yield MapNode(name=name, word=word.word, tone=word.tone, jobs=tuple(on_node.get(name, ())))


def _sentence(nodes: int, switches: int, jobs: int, busy: int) -> str:
    below = f"below {fmt.count(switches, 'switch', 'switches')}" if switches else "and no switch that the hub knows of"
    ran = f"{fmt.count(jobs, 'job')} on {busy} of them" if jobs else "no job on them"
    return f"{fmt.count(nodes, 'node')} {below}, {ran}."


def _switches(nodes: Mapping[str, MapNode], containing: Sequence[HeldRelation]) -> Iterable[MapSwitch]:
    below: dict[str, set[str]] = {}
    members: dict[str, set[str]] = {}
    placed: dict[str, str] = {}
    above: dict[str, str] = {}
    for one in sorted(containing, key=lambda relation: (natural(relation.entity.name), relation.other.name)):
        if one.relation != CONTAINS or one.entity.kind != _SWITCH:
            continue
        below.setdefault(one.entity.name, set())
        if one.other.kind == _SWITCH and one.other.name not in above:
            above[one.other.name] = one.entity.name
            below[one.entity.name].add(one.other.name)
            below.setdefault(one.other.name, set())
        elif one.other.kind == _NODE and one.other.name in nodes and one.other.name not in placed:
            placed[one.other.name] = one.entity.name
            members.setdefault(one.entity.name, set()).add(one.other.name)
    tops = sorted(below, key=lambda name: (name in above, natural(name)))  # in a loop of switches, one that is none
    left = [(name, 0) for name in reversed(tops)]
    seen: set[str] = set()
    while left:
        name, depth = left.pop()
        if name in seen:
            continue
        seen.add(name)
        own = tuple(nodes[node] for node in sorted(members.get(name, ()), key=natural))
        yield MapSwitch(name=name, depth=depth, above=above.get(name), nodes=own)
        left += [(child, depth + 1) for child in sorted(below[name], key=natural, reverse=True)]
    rest = tuple(nodes[node] for node in sorted(nodes.keys() - placed.keys(), key=natural))
    if rest:
        yield MapSwitch(name="", depth=0, nodes=rest)
