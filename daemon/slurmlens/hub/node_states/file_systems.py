"""How full file systems were, day by day: of each mount point the node on which it was fullest, at its fullest.

A shared file system is the same on all nodes; of local ones that share a mount point the fullest is what somebody will
trip over. A day's row is written when a node tells more than is known, so that a thousand nodes that say the same cost
one read of a row a request. Called by `keeping` in its transaction; read by `read` for capacity.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.events import MachineState
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.node_states import tables as schema

DAY_S = 86_400
LEAST_MORE = 0.001
"""A day is written anew where it is fuller by so much: not for every file that is written."""
MOST_MOUNTS = 64
"""Of one node; where every user's home is mounted by itself, the largest."""
_KEY = ("cluster", "day_s", "mount")


class FileSystemDay(NamedTuple):
    """One mount point on one day (its first second, UTC), where it was fullest. `is_shared`: a network's."""

    mount: str
    day_s: int
    node: str
    size_bytes: int
    used_ratio: float
    is_shared: bool


def keep_days(transaction: Transaction, told: Sequence[MachineState]) -> None:
    """Keeps what these tellings say."""
    fullest: dict[tuple[str, int, str], tuple[FileSystemDay, MachineState]] = {}
    for event in told:
        for one in told_days(event):
            key = event.cluster, one.day_s, one.mount
            if key not in fullest or one.used_ratio > fullest[key][0].used_ratio:
                fullest[key] = one, event
    known = {row[:3]: row[3] for row in transaction.find(schema.file_system_days, (*_KEY, "used_ratio"), _KEY, fullest)}
    rows = [
        one._asdict() | {"cluster": event.cluster, "told_ns": event.time_ns}
        for key, (one, event) in fullest.items()
        if one.used_ratio > known.get(key, -1.0) + LEAST_MORE
    ]
    transaction.put(schema.file_system_days, _KEY, rows)


def told_days(event: MachineState) -> Iterator[FileSystemDay]:
    """What one telling says of each of its file systems; of very many, of the largest."""
    by_name: dict[str, dict[str, float]] = defaultdict(dict)
    for reading in event.readings:
        if reading.name.startswith("filesystem."):
            by_name[reading.name][reading.of] = reading.value
    sizes, shared = by_name["filesystem.size_bytes"], by_name["filesystem.hangs_count"]
    ratios = by_name["filesystem.used_ratio"]
    day_s = event.time_ns // NS_PER_S // DAY_S * DAY_S
    for mount in sorted(sizes.keys() & ratios.keys(), key=lambda mount: (-sizes[mount], mount))[:MOST_MOUNTS]:
        if 0 < sizes[mount] < 2**63:
            ratio = min(1.0, max(0.0, ratios[mount]))
            yield FileSystemDay(mount, day_s, event.node, int(sizes[mount]), ratio, mount in shared)
