"""What the cluster consists of, and what is told of it: entities, facts, relations, and tellings of them.

Owns the types that every collector makes and the recorder writes, and the names of attributes and relations. Does no
input or output. An entity is there while the fact `EXISTS` is told of it. Times are nanoseconds since the epoch (UTC);
a span of validity is half open, [valid_from, valid_to), and one that has not ended ends at `FOREVER`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping

import msgspec

FOREVER = 2**63 - 1
"""`valid_to` of what holds still: a number, so that one range index answers every moment."""

EXISTS = "exists"
CONTAINS = "contains"
"""A partition or a switch contains a node; a switch contains a switch."""
LINKED_TO = "linked_to"
"""Two switches are cabled to each other; told once, from the lesser name."""
RUNS_ON = "service_on"
"""A service has an instance on a node."""
MEMBER_OF = "member_of"
"""A user is a member of a group."""
CHARGES = "charges"
"""A user's jobs are charged to an account."""

COORDINATES = "coordinates"
"""A user coordinates an account."""
RAN = "ran"
"""A campaign ran a job."""
OF_USER = "of_user"
"""A campaign is a user's."""

FactValue = str | int | float | bool | tuple[str, ...]


class EntityKind(enum.Enum):
    """What there is in a cluster beside jobs, which history holds."""

    CLUSTER = "cluster"
    PARTITION = "partition"
    NODE = "node"
    USER = "user"
    GROUP = "group"
    ACCOUNT = "account"
    QOS = "qos"
    SWITCH = "switch"
    PORT = "port"
    SOFTWARE = "software"
    SERVICE = "service"
    CAMPAIGN = "campaign"
    """An optimisation campaign; its name is USER/NAME."""


class Entity(msgspec.Struct, frozen=True, order=True, gc=False):
    """One thing of the cluster. `kind` is an `EntityKind`'s value: what sorts and goes into a key is text."""

    kind: str
    name: str

    @classmethod
    def of(cls, kind: EntityKind, name: str) -> Entity:
        """The entity of a kind that is known."""
        return cls(kind.value, name)


class ToldFact(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute of an entity as a source tells it; `since_ns` is from when it holds, where the source knows that."""

    entity: Entity
    attribute: str
    value: FactValue
    since_ns: int | None = None


class ToldRelation(msgspec.Struct, frozen=True, kw_only=True):
    """That one entity stands in a relation to another, as a source tells it."""

    entity: Entity
    relation: str
    other: Entity


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """All that one source said at one moment.

    With `is_whole` it is everything that the source knows (of `subject`, where that is named): what it told before and
    tells no longer has ended. `problems` are what could not be taken from the source, in words.
    """

    source: str
    at_ns: int
    facts: tuple[ToldFact, ...] = ()
    relations: tuple[ToldRelation, ...] = ()
    subject: Entity | None = None
    is_whole: bool = True
    problems: tuple[str, ...] = ()


class HeldFact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attribute of an entity, and from when to when it held.

    `last_told_ns` is when it was told for the last time, of what has ended: it ended between then and `valid_to_ns`.
    """

    entity: Entity
    attribute: str
    value: FactValue
    source: str
    valid_from_ns: int
    valid_to_ns: int = FOREVER
    last_told_ns: int | None = None

    def holds_at(self, at_ns: int) -> bool:
        """Whether it held at that moment."""
        return self.valid_from_ns <= at_ns < self.valid_to_ns


class HeldRelation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """That `entity` stood in `relation` to `other`, and from when to when."""

    entity: Entity
    relation: str
    other: Entity
    source: str
    valid_from_ns: int
    valid_to_ns: int = FOREVER

    def holds_at(self, at_ns: int) -> bool:
        """Whether it held at that moment."""
        return self.valid_from_ns <= at_ns < self.valid_to_ns

    def beyond(self, entity: Entity) -> Entity:
        """The other end, seen from this one."""
        return self.other if self.entity == entity else self.entity


def told_facts(entity: Entity, attributes: Mapping[str, FactValue | None]) -> Iterator[ToldFact]:
    """That an entity is there, and those of its attributes that are known."""
    yield ToldFact(entity=entity, attribute=EXISTS, value=True)
    for attribute, value in attributes.items():
        if value is not None and value != ():
            yield ToldFact(entity=entity, attribute=attribute, value=value)
