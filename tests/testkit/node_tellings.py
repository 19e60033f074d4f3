"""What nodes tell of themselves, as events."""

from __future__ import annotations

from slurmlens.events import MachineState, NodeReading
from testkit.told_events import at_ns


def node_state(seconds: float, *readings: tuple[str, str, float], node: str = "n1", **more: object) -> MachineState:
    """A node's state, so many seconds after the begin."""
    return MachineState(
        id=f"{node}-{seconds}-{readings[0][1] if readings else ''}",
        time_ns=at_ns(seconds),
        boot_id="boot",
        boottime_ns=1,
        cluster="demo",
        node=node,
        interval_s=60.0,
        readings=tuple(NodeReading(*one) for one in readings),
        **more,  # type: ignore[arg-type]
    )
