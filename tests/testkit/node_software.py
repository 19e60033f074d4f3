"""What a node tells of its software, for tests of the hub."""

from __future__ import annotations

from slurmlens.events import NodeSoftware, Package
from testkit.told_events import Told, at_ns


def software(
    node: str,
    *packages: Package,
    seconds: float = 0.0,
    source: str = "dpkg",
    problem: str = "",
    count: int | None = None,
) -> NodeSoftware:
    """All packages of one source of a node, told `seconds` after the begin of the tests' time."""
    start = Told(1, node).start(1)
    return NodeSoftware(
        id=f"{node}-{source}-{seconds}",
        time_ns=at_ns(seconds),
        boot_id=start.boot_id,
        boottime_ns=start.boottime_ns,
        cluster=start.cluster,
        node=node,
        source=source,
        packages=packages,
        count=len(packages) if count is None else count,
        problem=problem,
    )


def packages(**versions: str) -> tuple[Package, ...]:
    """Packages by name."""
    return tuple(Package(name, version) for name, version in versions.items())
