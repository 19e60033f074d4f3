"""Who looks: the first argument of every public read of the hub.

Owns `Viewer` and the roles. A viewer is made at a door (web, socket) and handed through to the query, where
`predicates` turns it into a condition; nothing between the two looks into it. One role exists so far: the hub listens
on loopback and everybody who reaches it may see everything.
"""

from __future__ import annotations

import enum

import msgspec


class Role(enum.Enum):
    """What somebody may see. EVERYBODY: whoever reaches the hub, and that is all jobs."""

    EVERYBODY = "everybody"


class Viewer(msgspec.Struct, frozen=True):
    """Somebody who reads; `who` is a name for the log. Equal viewers see the same, so answers may be kept by viewer."""

    who: str
    roles: frozenset[Role]


EVERYBODY = Viewer("everybody", frozenset({Role.EVERYBODY}))
"""Also the viewer behind what the hub hands to receivers that all may read, as the job keys in Consul."""
