"""How busy each measured resource of a cluster was, hour by hour: sums over what nodes told.

Owns the resources and what is summed: what was used and what there was, each times the seconds that a telling is of, so
that the share of an hour is the one sum by the other, whatever the nodes' intervals are and whichever hub took them. A
hundred nodes that tell at once are one row a resource. An hour that nodes told little of counts what they told. Called
by `keeping` in its transaction; read by `read` for the operator's page.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.node_states import tables as schema
from slurmlens.hub.node_states.resources import UseFigures

HOUR_NS = 3_600 * NS_PER_S
LEAST_INTERVAL_S, MOST_INTERVAL_S = 1.0, 3_600.0
_KEY = ("begin_ns", "cluster", "resource")


class MeasuredResource(enum.Enum):
    """What is summed."""

    CPU = "cpu"
    MEMORY = "memory"
    NETWORK = "network"
    DISK = "disk"
    GPU = "gpu"


class ResourceTold(NamedTuple):
    """What a node told of its resources at one time."""

    cluster: str
    time_ns: int
    figures: UseFigures


class ResourceHour(NamedTuple):
    """The share of a resource that was used in an hour, by the hour's first second."""

    resource: MeasuredResource
    hour_s: int
    ratio: float


def keep_hours(transaction: Transaction, told: Sequence[ResourceTold]) -> None:
    """Adds what these tellings say, none of which was added before."""
    sums: dict[tuple[int, str, str], tuple[float, float]] = {}
    for one in told:
        weight_s = min(MOST_INTERVAL_S, max(LEAST_INTERVAL_S, one.figures.interval_s))
        for resource, used, whole in used_of(one.figures):
            key = one.time_ns // HOUR_NS * HOUR_NS, one.cluster, resource.value
            before = sums.get(key, (0.0, 0.0))
            sums[key] = before[0] + used * weight_s, before[1] + whole * weight_s
    # in one order, so that two hubs that add to the same rows wait for each other and not in a circle
    rows = [(*key, *sums[key]) for key in sorted(sums)]
    transaction.add(schema.resource_hours, (*_KEY, "used", "whole"), _KEY, rows)


def used_of(figures: UseFigures) -> Iterator[tuple[MeasuredResource, float, float]]:
    """What of each resource is used, and how much there is; of disks the busiest one's share of time counts for a
    node. Nothing of what is not told."""
    pairs = (
        (MeasuredResource.CPU, figures.busy_cores, figures.cores),
        (MeasuredResource.MEMORY, figures.memory_used_bytes, figures.memory_bytes),
        (MeasuredResource.NETWORK, figures.traffic_bits_per_second, figures.link_bits_per_second),
        (MeasuredResource.DISK, figures.disk_busy_ratio, 1.0),
        (MeasuredResource.GPU, figures.busy_gpus, float(figures.gpus)),
    )
    for resource, used, whole in pairs:
        if used is not None and whole is not None and 0 < whole < 2**80:
            yield resource, min(max(used, 0.0), whole), whole
