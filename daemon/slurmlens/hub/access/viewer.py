"""Who looks: the first argument of every public read of the hub.

Owns `Person` (who was proved), the roles, and `Viewer` (a person with what the rules give him). A viewer is made at a
door (web, socket) by `rules` and handed through to the query, where `predicates` turns it into a condition; nothing
between the two looks into it.
"""

from __future__ import annotations

import enum

import msgspec


class Role(enum.Enum):
    """What somebody may see.

    EVERYBODY: all there is, without a name; whoever is on the hub's machine while no rules are set. USER: own jobs, and
    what `[access] users_see` adds. COORDINATOR: the jobs of the accounts that he coordinates. OPERATOR: all jobs, and
    how the hub fares. MANAGEMENT: sums over all, and how the hub fares. AUDITOR: who looked at whose job.
    """

    EVERYBODY = "everybody"
    USER = "user"
    COORDINATOR = "coordinator"
    OPERATOR = "operator"
    MANAGEMENT = "management"
    AUDITOR = "auditor"


class Way(enum.Enum):
    """How somebody proved who he is."""

    MUNGE = "munge"
    SOCKET = "socket"
    PROXY = "proxy"
    SESSION = "session"


class Person(msgspec.Struct, frozen=True):
    """Somebody who proved who he is: his Unix name on this cluster, and by which way."""

    name: str
    way: Way


class Viewer(msgspec.Struct, frozen=True):
    """Somebody who reads. Equal viewers see the same, so answers may be kept by viewer.

    `who` is the name that jobs are compared with; `accounts` are those whose jobs he may see all of; `sees_all_jobs`
    may come from a role or from `users_see`.
    """

    who: str
    roles: frozenset[Role]
    accounts: frozenset[str] = frozenset()
    sees_all_jobs: bool = False

    @property
    def is_somebody(self) -> bool:
        """Whether there is a name behind it, which a log can hold."""
        return Role.USER in self.roles

    @property
    def sees_the_hub(self) -> bool:
        """Whether he may see how the hub fares: its counters, what it refused, its nodes' daemons."""
        return not self.roles.isdisjoint(_SEE_THE_HUB)

    @property
    def is_operator(self) -> bool:
        """Whether he keeps the machines: operators, and whoever is on the hub's machine while there are no rules."""
        return not self.roles.isdisjoint({Role.OPERATOR, Role.EVERYBODY})

    @property
    def sees_all_usage(self) -> bool:
        """Whether he may see who used what: sums over everybody's jobs, and over each user's."""
        return self.sees_all_jobs or Role.MANAGEMENT in self.roles

    @property
    def of_sums(self) -> Viewer:
        """Under whom sums are read, of which no job and no name is shown: over all for who may see how the hub fares,
        over his own for others."""
        return EVERYBODY if self.sees_the_hub else self

    @property
    def sees_looks(self) -> bool:
        """Whether he may see all of who looked at whose job; everybody may see who looked at his own."""
        return Role.AUDITOR in self.roles


_SEE_THE_HUB = frozenset({Role.EVERYBODY, Role.OPERATOR, Role.MANAGEMENT, Role.AUDITOR})

EVERYBODY = Viewer("everybody", frozenset({Role.EVERYBODY}), sees_all_jobs=True)
"""Also the viewer behind what the hub hands to receivers that all may read, as the job keys in Consul."""
