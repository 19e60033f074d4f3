"""What the moments say at which heartbeats were made and came: a clock's skew, and two daemons of one name; pure.

A heartbeat may have waited: in the spool while the hub was away, in a relay, in a machine whose network came late. Two
that did not wait come as far apart as they were made, which the node's boottime clock says; only then is the hub's
clock compared with the node's, and only then is a boot known to live now.
Used by `node_beats` alone.
"""

from __future__ import annotations

from typing import NamedTuple

from slurmlens.clock import NS_PER_S

CAME_LIVE_NS = 1 * NS_PER_S
CAME_LIVE_SHARE = 0.25
"""Two heartbeats came live if the times between them differ by no more than both of these: a second, and this share of
the time between them (those of a backlog come at once)."""

CONTESTED_NS = 600 * NS_PER_S
"""How long after the last sign of it two boots are held to claim one name."""


class BeatMoment(NamedTuple):
    """When a heartbeat was made, by its boot's own clock, and when it came, by the hub's."""

    boottime_ns: int
    received_ns: int


class FormerBoot(NamedTuple):
    """The boot of a node that another has taken the place of, and its newest heartbeat."""

    boot_id: str
    moment: BeatMoment


def came_live(earlier: BeatMoment, later: BeatMoment) -> bool:
    """Whether two heartbeats of one boot, one after the other, were under way no longer than each other."""
    made_ns = later.boottime_ns - earlier.boottime_ns
    came_ns = later.received_ns - earlier.received_ns
    return made_ns > 0 and abs(came_ns - made_ns) <= min(CAME_LIVE_NS, CAME_LIVE_SHARE * made_ns)
