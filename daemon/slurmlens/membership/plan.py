"""Which nodes are let in, drained or taken away. Pure: who is registered and what Slurm knows in, steps out.

Only nodes that were members once are ever touched, and a node that an operator drained with a reason of his own stays
as it is. A member must be missing for `leave_after_s` before its node is drained: a Consul that was restarted, or a
service that registers again, disturbs nothing. A node is taken away only when nothing runs on it any more. Fed by
`keeper`, feeds `controller`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.membership.member import Member
from slurmlens.slurm.records import NodeRecord

LEAVING = "slurmlens: left Consul"
"""Reason of the nodes that are drained here; a node with it that is registered again is resumed."""

_DRAIN = "DRAIN"
_EMPTY = frozenset({"IDLE", "DOWN", "UNKNOWN"})
_BUSY_FLAGS = frozenset({"COMPLETING", "MAINT", "REBOOT_REQUESTED", "REBOOT_ISSUED"})


class Known(msgspec.Struct):
    """A member that was seen, as it was last registered, and since when it is missing."""

    member: Member
    missing_since_ns: int | None = None


class Steps(NamedTuple):
    """What is to be done, in this order; `gone` are members that nobody needs to remember."""

    addresses: tuple[Member, ...] = ()
    resume: tuple[str, ...] = ()
    drain: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def are_none(self) -> bool:
        """Whether Slurm has nothing to be told."""
        return not (self.addresses or self.resume or self.drain or self.remove)


def remember(known: dict[str, Known], registered: Mapping[str, Member], now_ns: int) -> None:
    """Takes up who is registered now, and since when others are missing."""
    for name, member in registered.items():
        known[name] = Known(member)
    for name, one in known.items():
        if name not in registered and one.missing_since_ns is None:
            one.missing_since_ns = now_ns


def plan(known: Mapping[str, Known], nodes: Iterable[NodeRecord], now_ns: int, leave_after_s: float) -> Steps:
    """The steps from the nodes as Slurm has them to the members as they are registered."""
    by_name = {node.name: node for node in nodes if node.name in known}
    addresses, resume, drain, remove = list[Member](), list[str](), list[str](), list[str]()
    for name, node in sorted(by_name.items()):
        one = known[name]
        if one.missing_since_ns is None:
            if node.address not in (None, one.member.address):
                addresses.append(one.member)
            if _DRAIN in node.state_flags and (not node.reason or node.reason.startswith(LEAVING)):
                resume.append(name)
        elif now_ns - one.missing_since_ns >= leave_after_s * NS_PER_S:
            if _DRAIN not in node.state_flags:
                drain.append(name)
            elif is_empty(node):
                remove.append(name)
    gone = tuple(name for name, one in known.items() if one.missing_since_ns is not None and name not in by_name)
    return Steps(tuple(addresses), tuple(resume), tuple(drain), tuple(remove), gone)


def is_empty(node: NodeRecord) -> bool:
    """Whether nothing runs there any more."""
    return node.state in _EMPTY and not _BUSY_FLAGS & set(node.state_flags)
