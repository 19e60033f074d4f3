"""What the spool gave up, as an event of this node: `events.LinesDropped`, encoded as it is sent.

Owns the wording of the spool's notices. Called by `spool`, for which `pipeline` makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from slurmlens.clock import Clock
from slurmlens.delivery.spool import DropKind, DropTotal
from slurmlens.events import DroppedLines, EventKind, LinesDropped, Place, derived_id
from slurmlens.wire import ecs


def drop_notice(place: Place, clock: Clock) -> Callable[[Mapping[DropKind, DropTotal]], bytes]:
    """Makes the line that tells the totals."""

    def line(accounts: Mapping[DropKind, DropTotal]) -> bytes:
        boottime_ns = clock.boottime_ns()
        event = LinesDropped(
            id=derived_id(place.cluster, place.node, place.boot_id, EventKind.LINES_DROPPED.value, str(boottime_ns)),
            time_ns=clock.wall_ns(),
            boot_id=place.boot_id,
            boottime_ns=boottime_ns,
            cluster=place.cluster,
            node=place.node,
            dropped=dropped_lines(accounts),
        )
        return ecs.encode(event) + b"\n"

    return line


def dropped_lines(accounts: Mapping[DropKind, DropTotal]) -> tuple[DroppedLines, ...]:
    """The totals as they are reported, in a fixed order."""
    rows = sorted((stream.value, reason, account) for (stream, reason), account in accounts.items())
    return tuple(
        DroppedLines(stream=stream, reason=reason, lines=account.lines, since_ns=account.since_ns)
        for stream, reason, account in rows
        if account.lines
    )
