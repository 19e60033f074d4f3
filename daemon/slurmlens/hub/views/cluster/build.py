"""Nodes, the jobs that run on them and those that wait, to `ClusterView`: the USE table and the map of nodes. Pure.

Lines of what is allocated stand on the scheduler's own record of what is in service; beside them stand those of what
nodes measured (`measured`) and of slurmctld itself (`controller`). Fed with what the inventory, history, nodes' states
and the scheduler's poller answered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.conclude.run_extent import RunExtent
from slurmlens.hub.history.facts import JobRow
from slurmlens.hub.inventory.collectors.nodes import REASON, STATE, is_out_of_service
from slurmlens.hub.inventory.entities import EntityKind, HeldFact, HeldRelation
from slurmlens.hub.inventory.states import latest_facts
from slurmlens.hub.node_states.resource_hours import MeasuredResource, ResourceHour
from slurmlens.hub.node_states.resources import UseFigures, UseFiguresTold
from slurmlens.hub.usage.charges import HOUR_S
from slurmlens.hub.usage.facts import HourFigure
from slurmlens.hub.views.cluster.controller import controller_lines
from slurmlens.hub.views.cluster.measured import Courses, Measured, measured, measured_lines
from slurmlens.hub.views.cluster.view import ClusterView, NodeCell, NodeGroup, ResourceLine, UseCell
from slurmlens.hub.views.entity.words import node_word
from slurmlens.hub.views.jobs.build import row_extent
from slurmlens.hub.views.natural_order import natural
from slurmlens.hub.views.states import pending_words
from slurmlens.shown import format as fmt
from slurmlens.slurm.sdiag_text import SchedulerLoad

ATTRIBUTES = (STATE, REASON, "cpu_count", "memory_bytes", "gres")
"""What is read of each node; one that is gone has no state."""

GROUPINGS = (EntityKind.PARTITION, EntityKind.SWITCH)
_MOST_REASONS = 6
_GPUS = re.compile(r"gpu(?::[^:,(]+)?:(\d+)")
NO_GROUP = "in none"
COURSE_HOURS, MOST_COURSE_HOURS = 24, 14 * 24
ALLOCATED = "allocated"


class MapFigure(NamedTuple):
    """What nodes can be coloured by: its words, and its share of one."""

    words: str
    ratio: Callable[[UseFigures], float | None]


def _part(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


FIGURES: Mapping[str, MapFigure] = {
    ALLOCATED: MapFigure("cores allocated", lambda _: None),
    "cpu": MapFigure("cores busy", lambda one: _part(one.busy_cores, one.cores)),
    "memory": MapFigure("memory in use", lambda one: _part(one.memory_used_bytes, one.memory_bytes)),
    "network": MapFigure("fullest link", lambda one: one.link_ratio),
    "disk": MapFigure("busiest disk", lambda one: one.disk_busy_ratio),
    "filesystem": MapFigure("fullest file system", lambda one: one.fullest.used_ratio if one.fullest else None),
    "gpu": MapFigure("GPUs busy", lambda one: _part(one.busy_gpus, one.gpus)),
}
"""By the name that stands in an address."""


class ClusterFacts(NamedTuple):
    """What the page is made of. `scheduler_silent_since_ns` is None while it answers; lists may be cut."""

    nodes: Sequence[HeldFact]
    containing: Sequence[HeldRelation]
    running: Sequence[JobRow]
    waiting: Sequence[JobRow]
    waiting_is_cut: bool = False
    scheduler_silent_since_ns: int | None = None
    figures: Sequence[UseFiguresTold] = ()
    scheduler_load: SchedulerLoad | None = None
    hours: Sequence[HourFigure] = ()
    """Cores allocated of those in service, by hour, of the whole cluster."""
    measured_hours: Sequence[ResourceHour] = ()
    """How much of each measured resource of the whole cluster was used, by hour."""
    course_hours: int = COURSE_HOURS
    """How many hours a course goes back."""


class _ClusterNode(NamedTuple):
    name: str
    state: HeldFact
    reason: str | None
    cores: int
    memory_bytes: int
    gpus: int
    is_in_service: bool


class _Given(NamedTuple):
    """What running jobs hold: cores by node, and sums."""

    cores: Mapping[str, float]
    jobs: Mapping[str, int]
    memory_bytes: int
    gpus: int


def build_cluster_view(
    cluster: str, facts: ClusterFacts, by: EntityKind, now_ns: int, figure: str = ALLOCATED
) -> ClusterView:
    """The page; the map is grouped by partitions or by switches, and coloured by one of `FIGURES`."""
    nodes = _nodes(facts.nodes)
    given = _given(facts.running, now_ns)
    serving = measured(facts.figures, (node.name for node in nodes if node.is_in_service), now_ns)
    shown = _shown_by_node(serving, figure)
    cells = {node.name: _cell(node, given, shown, figure) for node in nodes}
    out = sorted((cells[node.name] for node in nodes if not node.is_in_service), key=lambda one: one.since_ns or 0)
    return ClusterView(
        made_ns=now_ns,
        cluster=cluster,
        sentence=_sentence(nodes, facts),
        resources=(
            *_resource_lines(nodes, given, facts, now_ns),
            *measured_lines(serving, _measured_courses(facts, now_ns)),
        ),
        by=by.value,
        figure=figure,
        groups=tuple(_groups(cells, facts.containing, by)),
        out_of_service=tuple(out),
        waiting=_reasons(facts.waiting),
        course_hours=facts.course_hours,
    )


def of_partition(facts: ClusterFacts, partition: str, containing: Iterable[HeldRelation]) -> ClusterFacts:
    """What of it concerns one partition; `containing` says which nodes it has. slurmctld is the cluster's."""
    names = {
        one.other.name
        for one in containing
        if one.entity.kind == EntityKind.PARTITION.value and one.entity.name == partition
    }
    return facts._replace(
        nodes=[fact for fact in facts.nodes if fact.entity.name in names],
        running=[row for row in facts.running if row.partition == partition],
        waiting=[row for row in facts.waiting if partition in (row.partition or "").split(",")],
        figures=[one for one in facts.figures if one.node in names],
        scheduler_load=None,
    )


def _shown_by_node(serving: Measured, figure: str) -> Mapping[str, float | None]:
    if figure == ALLOCATED:
        return {}
    return {one.node: FIGURES[figure].ratio(one.figures) for one in serving.fresh}


def _nodes(facts: Iterable[HeldFact]) -> list[_ClusterNode]:
    by_name: dict[str, list[HeldFact]] = {}
    for fact in facts:
        by_name.setdefault(fact.entity.name, []).append(fact)
    found = []
    for name, own in by_name.items():
        told = latest_facts(own)
        if STATE not in told:
            continue
        reason, gres = told.get(REASON), told.get("gres")
        found.append(
            _ClusterNode(
                name,
                told[STATE],
                None if reason is None else str(reason.value),
                _whole(told.get("cpu_count")),
                _whole(told.get("memory_bytes")),
                0 if gres is None else gpus_in(str(gres.value)),
                not is_out_of_service(str(told[STATE].value)),
            )
        )
    return sorted(found, key=lambda node: natural(node.name))


def _whole(fact: HeldFact | None) -> int:
    return fact.value if fact is not None and isinstance(fact.value, int) else 0


def gpus_in(gres: str) -> int:
    """How many GPUs stand in a node's Gres.

    >>> gpus_in("gpu:a100:4(S:0-1),gpu:2,nvme:1")
    6
    """
    return sum(int(number) for number in _GPUS.findall(gres))


def _given(running: Iterable[JobRow], now_ns: int) -> _Given:
    cores: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    memory = gpus = 0
    for row in running:
        extent = row_extent(row, now_ns)
        jobs.update(extent.nodes)
        cores.update(_cores_of(extent))
        memory += extent.memory_bytes or 0
        gpus += extent.gpus or 0
    return _Given(cores, jobs, memory, gpus)


def _cores_of(extent: RunExtent) -> dict[str, int]:
    """Where shares are not known the job's cores are split evenly, so that the sum is right."""
    if extent.cores_by_node or not extent.cores or not extent.nodes:
        return dict(extent.cores_by_node)
    share, rest = divmod(extent.cores, len(extent.nodes))
    return {name: share + (number < rest) for number, name in enumerate(extent.nodes)}


def _cell(node: _ClusterNode, given: _Given, shown: Mapping[str, float | None], figure: str) -> NodeCell:
    word = node_word(str(node.state.value))
    allocated = given.cores.get(node.name, 0.0) / node.cores if node.cores else None
    return NodeCell(
        name=node.name,
        word=word.word,
        tone=word.tone,
        allocated=None if allocated is None else min(1.0, allocated),
        shown=_bounded(allocated if figure == ALLOCATED else shown.get(node.name)),
        jobs=given.jobs.get(node.name, 0),
        reason=None if node.is_in_service else node.reason,
        since_ns=node.state.valid_from_ns,
    )


def _bounded(ratio: float | None) -> float | None:
    return None if ratio is None else min(1.0, max(0.0, ratio))


def _groups(cells: Mapping[str, NodeCell], containing: Iterable[HeldRelation], by: EntityKind) -> Iterator[NodeGroup]:
    """A node of several partitions stands in each; those of none come last. `cells` are in their natural order."""
    members: dict[str, set[str]] = {}
    for one in containing:
        if one.entity.kind == by.value and one.other.name in cells and one.other.kind == EntityKind.NODE.value:
            members.setdefault(one.entity.name, set()).add(one.other.name)
    for name in sorted(members, key=natural):
        own = members[name]
        yield NodeGroup(kind=by.value, name=name, nodes=tuple(cell for node, cell in cells.items() if node in own))
    somewhere = frozenset[str]().union(*members.values())
    alone = [cell for name, cell in cells.items() if name not in somewhere]
    if alone:
        yield NodeGroup(kind=by.value, name=NO_GROUP, nodes=tuple(alone))


def _reasons(waiting: Iterable[JobRow]) -> tuple[tuple[str, int], ...]:
    words = Counter(pending_words(row.reason, None) or "no reason given yet" for row in waiting)
    return tuple(words.most_common(_MOST_REASONS))


def _sentence(nodes: Sequence[_ClusterNode], facts: ClusterFacts) -> str:
    out = sum(not node.is_in_service for node in nodes)
    verb = "is" if out == 1 else "are"
    service = f"{out} of {fmt.count(len(nodes), 'node')} {verb} out of service" if out else _all_in_service(len(nodes))
    waiting = f"{len(facts.waiting)}{' and more' if facts.waiting_is_cut else ''}"
    queue = f"{waiting} {'waits' if len(facts.waiting) == 1 else 'wait'}" if facts.waiting else "none waits"
    running = fmt.count(len(facts.running), "job runs", "jobs run")
    silent = "; the scheduler does not answer" if facts.scheduler_silent_since_ns is not None else ""
    return f"{service}, {running}, {queue}{silent}."


def _all_in_service(count: int) -> str:
    return f"All {count} nodes are in service" if count != 1 else "The one node is in service"


class _Resources(NamedTuple):
    """What the lines of the table are computed from."""

    in_service: Sequence[_ClusterNode]
    out: Sequence[_ClusterNode]
    given: _Given
    wanted: Sequence[RunExtent]
    """What waiting jobs ask for."""


def _resource_lines(
    nodes: Sequence[_ClusterNode], given: _Given, facts: ClusterFacts, now_ns: int
) -> Iterator[ResourceLine]:
    resources = _Resources(
        [node for node in nodes if node.is_in_service],
        [node for node in nodes if not node.is_in_service],
        given,
        [row_extent(row, now_ns) for row in facts.waiting],
    )
    yield _cores(resources, _course(facts.hours, facts.course_hours, now_ns))
    yield _memory(resources, sum(row.outcome.oom_kills or 0 for row in facts.running))
    if any(node.gpus for node in nodes):
        yield _gpus(resources)
    yield _scheduler(facts, now_ns)
    yield from controller_lines(facts.scheduler_load)


def _measured_courses(facts: ClusterFacts, now_ns: int) -> Courses:
    by_resource: dict[MeasuredResource, list[HourFigure]] = {}
    for one in facts.measured_hours:
        by_resource.setdefault(one.resource, []).append(HourFigure(one.hour_s, one.ratio))
    return {one: _course(hours, facts.course_hours, now_ns) for one, hours in by_resource.items()}


def _course(hours: Sequence[HourFigure], count: int, now_ns: int) -> tuple[float | None, ...]:
    """One value an hour of the last so many; an hour that was not counted yet, or of which nobody knows, is None."""
    if not hours:
        return ()
    known = {one.hour_s: min(1.0, round(one.value, 4)) for one in hours}
    end_s = now_ns // NS_PER_S // HOUR_S * HOUR_S
    return tuple(known.get(end_s - back * HOUR_S) for back in range(count, 0, -1))


def _cores(of: _Resources, course: tuple[float | None, ...]) -> ResourceLine:
    now = _share(sum(of.given.cores.values()), sum(node.cores for node in of.in_service), "cores allocated")
    return ResourceLine(
        name="CPU",
        utilisation=msgspec.structs.replace(now, course=course),
        saturation=_wanted(sum(extent.cores or 0 for extent in of.wanted), "cores"),
        errors=_count_cell(len(of.out), "node out of service", "nodes out of service", "/nodes"),
        formulas=(
            "cores of running jobs / cores of the nodes in service (scheduler's record)",
            "cores that waiting jobs ask for (scheduler's record)",
            "nodes that take no jobs: down, drained, failed (scheduler)",
        ),
    )


def _memory(of: _Resources, oom_kills: int) -> ResourceLine:
    whole = sum(node.memory_bytes for node in of.in_service)
    return ResourceLine(
        name="Memory",
        utilisation=_share(of.given.memory_bytes, whole, "allocated", fmt.memory),
        saturation=_wanted(sum(extent.memory_asked_bytes or 0 for extent in of.wanted), "", fmt.memory),
        errors=_count_cell(oom_kills, "OOM kill", "OOM kills", None),
        formulas=(
            "memory given to running jobs / memory of the nodes in service (scheduler's record)",
            "memory that waiting jobs ask for (scheduler's record)",
            "kills for memory in jobs that run (their cgroups' counters)",
        ),
    )


def _gpus(of: _Resources) -> ResourceLine:
    lost = sum(node.gpus for node in of.out)
    return ResourceLine(
        name="GPU",
        utilisation=_share(of.given.gpus, sum(node.gpus for node in of.in_service), "allocated"),
        saturation=_wanted(sum(extent.gpus or 0 for extent in of.wanted), "GPUs"),
        errors=_count_cell(lost, "GPU out of service", "GPUs out of service", "/nodes"),
        formulas=(
            "GPUs of running jobs / GPUs of the nodes in service (scheduler's record, Gres)",
            "GPUs that waiting jobs ask for (scheduler's record)",
            "GPUs of nodes that take no jobs (scheduler)",
        ),
    )


def _scheduler(facts: ClusterFacts, now_ns: int) -> ResourceLine:
    submitted = [row.submit_ns for row in facts.waiting if row.submit_ns is not None]
    silent = facts.scheduler_silent_since_ns
    oldest = f"longest {fmt.duration((now_ns - min(submitted)) / NS_PER_S)}" if submitted else "nothing waits"
    waiting = f"{len(facts.waiting)}{'+' if facts.waiting_is_cut else ''}"
    return ResourceLine(
        name="Scheduler",
        utilisation=UseCell(text=f"{len(facts.running)} running, {waiting} waiting", address="/jobs?state=pending"),
        saturation=UseCell(
            text=oldest, tone="warn" if submitted and now_ns - min(submitted) > 86_400 * NS_PER_S else None
        ),
        errors=UseCell(text="answers", tone="good")
        if silent is None
        else UseCell(text=f"silent for {fmt.duration((now_ns - silent) / NS_PER_S)}", tone="bad", address="/status"),
        formulas=(
            "jobs by state (scheduler's record)",
            "time since the oldest waiting job was submitted (scheduler's record)",
            "since when slurmctld gives no answer (this hub's poller)",
        ),
    )


def _number(value: float) -> str:
    return f"{value:.0f}"


def _share(used: float, whole: float, words: str, written: Callable[[float], str] = _number) -> UseCell:
    if not whole:
        return UseCell(text="not known")
    return UseCell(text=f"{written(used)} of {written(whole)} {words}", ratio=used / whole)


def _wanted(amount: int, unit: str, written: Callable[[float], str] = _number) -> UseCell:
    if not amount:
        return UseCell(text="nothing waits")
    return UseCell(
        text=f"{written(amount)} {unit} asked for".replace("  ", " "), tone="warn", address="/jobs?state=pending"
    )


def _count_cell(count: int, one: str, many: str, address: str | None) -> UseCell:
    if not count:
        return UseCell(text="none", tone="good")
    return UseCell(text=fmt.count(count, one, many), tone="bad", address=address)
