"""A job's nodes as machines, while it ran: which is not like its siblings and in what, and what they took. Pure.

Fed with the courses that `hub.node_states` keeps of the job's nodes, over the run's time. A sibling's figure is its
mean over that time. A node is odd where it is far from the median of the others, both in the figure's own terms
(`LEAST_TIMES`, `LEAST_APART`) and against how far the others are apart. Energy is an estimate: the packages' power, by
the share of the node's cores that were the job's, and the whole of it where the node was its own. Network and file
systems are the node's, so they are the job's on nodes that were its own alone, and are left out elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.hub.node_states.figures import BIN_S, FIGURE_BY_NAME
from slurmlens.hub.views.job.view import MachineOddity, MachinesView
from slurmlens.shown import format as fmt

LEAST_SIBLINGS = 3
LEAST_TIMES = 2.0
LEAST_SPREADS = 6.0
MOST_ODDITIES = 6
WHOLE_NODE = 0.999
LEAST_COVERED = 0.5
"""An estimate is told where the nodes told so much of the run's time."""

LEAST_APART: Mapping[str, float] = {
    "load": 4.0,
    "pressure_cpu": 0.1,
    "pressure_memory": 0.05,
    "pressure_io": 0.1,
    "disk_busy": 0.3,
    "disk_latency": 0.02,
    "network_received": 20e6,
    "network_sent": 20e6,
    "fabric_received": 200e6,
    "fabric_sent": 200e6,
    "files_read": 50e6,
    "files_written": 50e6,
    "temperature": 12.0,
    "power": 50.0,
    "gpu_power": 80.0,
}
"""What is told, and how far apart it must be to matter; what jobs differ in by design (CPU, memory, GPUs) is told of
the job's own figures elsewhere. Degrees and watts need no factor."""
_NO_FACTOR = frozenset(("temperature", "power", "gpu_power"))
_PER_TIME = (
    ("network_received", "network_sent"),
    ("fabric_received", "fabric_sent"),
    ("files_read", "files_written"),
)


def build_machines(
    courses: Sequence[NodeCourse], cores_by_node: Mapping[str, int], ran_s: float
) -> MachinesView | None:
    """What is told; None where the nodes told nothing of that time, or too little. `cores_by_node` are the job's."""
    told = [course for course in courses if course.begins_s]
    if not told or ran_s < BIN_S:
        return None
    shares = {
        course.node: min(1.0, cores / whole)
        for course in told
        if (cores := cores_by_node.get(course.node)) and (whole := _mean(course, "cores"))
    }
    alone = [course for course in told if shares.get(course.node, 0.0) >= WHOLE_NODE]
    own = len(alone) == len(cores_by_node)
    sums = {name: _total(alone, name, ran_s) if own else None for pair in _PER_TIME for name in pair}
    view = MachinesView(
        energy_joules=_energy(told, shares, len(cores_by_node), ran_s),
        energy_is_share=not own,
        network_received_bytes=_sum_of(sums["network_received"], sums["fabric_received"]),
        network_sent_bytes=_sum_of(sums["network_sent"], sums["fabric_sent"]),
        files_read_bytes=sums["files_read"],
        files_written_bytes=sums["files_written"],
        odd=tuple(list(_odd(told))[:MOST_ODDITIES]),
    )
    return None if view == MachinesView(energy_is_share=not own) else view


def _odd(courses: Sequence[NodeCourse]) -> Iterator[MachineOddity]:
    if len(courses) < LEAST_SIBLINGS:
        return
    for name, least in LEAST_APART.items():
        means = {course.node: mean for course in courses if (mean := _mean(course, name)) is not None}
        if len(means) < LEAST_SIBLINGS:
            continue
        for node, value in means.items():
            others = [mean for other, mean in means.items() if other != node]
            middle = median(others)
            spread = median(abs(mean - middle) for mean in others) * 1.4826
            apart = abs(value - middle)
            is_far = apart >= least and apart >= LEAST_SPREADS * spread
            ratio = max(value, middle) / max(min(value, middle), 1e-12)
            if is_far and (name in _NO_FACTOR or ratio >= LEAST_TIMES):
                yield _oddity(node, name, value, middle)


def _oddity(node: str, name: str, value: float, middle: float) -> MachineOddity:
    row = FIGURE_BY_NAME[name]
    title = row.title[0].lower() + row.title[1:] if not row.title[:2].isupper() else row.title
    return MachineOddity(
        node=node,
        figure=name,
        value=value,
        others=middle,
        text=f"{title}: {fmt.amount(value, row.unit)}, where its siblings have {fmt.amount(middle, row.unit)}",
    )


def _mean(course: NodeCourse, name: str) -> float | None:
    known = [value for value in course.means.get(name, ()) if value is not None]
    return sum(known) / len(known) if known else None


def _total(courses: Sequence[NodeCourse], name: str, ran_s: float) -> float | None:
    """A rate times the run's time, over nodes; None where none told it."""
    found = [mean * ran_s for course in courses if (mean := _mean(course, name)) is not None]
    return sum(found) if found else None


def _sum_of(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else (one or 0.0) + (other or 0.0)


def _energy(courses: Sequence[NodeCourse], shares: Mapping[str, float], nodes: int, ran_s: float) -> float | None:
    """Joules of the packages that were the job's share; None where not all nodes told enough of the time."""
    found = []
    for course in courses:
        mean, share = _mean(course, "power"), shares.get(course.node)
        covered = len(course.begins_s) * BIN_S / ran_s
        if mean is not None and share is not None and covered >= LEAST_COVERED:
            found.append(mean * share * ran_s)
    return sum(found) if found and len(found) == nodes else None
