"""What a compute service says of its node when it registers, and which of it cannot be used. Pure.

The service's metadata has `node`, and for a rendered slurm.conf `cpus`, `memory_mib`, `features`; address and port are
the service's own. Whatever becomes a word of a configuration file or of a command is checked here. Fed by `keeper`,
feeds `plan`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from slurmlens.discovery.answers import Registered

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_ADDRESS = re.compile(r"[A-Za-z0-9.:_-]{1,255}")
_FEATURES = re.compile(r"[A-Za-z0-9._-]{1,64}(?:,[A-Za-z0-9._-]{1,64}){0,31}")
_MOST_CPUS, _MOST_MEMORY_MIB = 65_533, 2**40


class Member(msgspec.Struct, frozen=True, order=True):
    """A node that somebody runs: its name, where its slurmd listens, and what it has."""

    name: str
    address: str
    port: int = 0
    cpu_count: int = 0
    memory_mib: int = 0
    features: str = ""


class Members(NamedTuple):
    """Those that can be used, by name, and why the others cannot."""

    by_name: dict[str, Member]
    refused: tuple[str, ...]


def members(registered: Iterable[Registered], addresses: Mapping[str, str]) -> Members:
    """One member a name. Where several claim a name, it stays with the one at the address that Slurm has for it
    (`addresses`), else with the first by address, so that the answer does not change from one look to the next.
    """
    by_name: dict[str, Member] = {}
    refused: list[str] = []
    for service in sorted(registered, key=lambda one: (one.host, one.port, one.id)):
        member = _member(service)
        if isinstance(member, str):
            refused.append(f"{service.id[:80]!r} at {service.host[:80]}: {member}")
            continue
        holder = by_name.get(member.name)
        if holder is not None and holder != member:
            if addresses.get(member.name) == member.address != holder.address:
                holder, member = member, holder
            refused.append(f"{member.name} at {member.address}: the name is taken by {holder.address}")
        by_name[member.name] = holder or member
    return Members(by_name, tuple(refused))


def _member(service: Registered) -> Member | str:
    """The member, or why there is none."""
    name = service.meta.get("node", "")
    features = service.meta.get("features", "")
    if not _NAME.fullmatch(name):
        return f"its metadata names no node, or one that is no host name: {name[:80]!r}"
    if not _ADDRESS.fullmatch(service.host):
        return f"its address is none: {service.host[:80]!r}"
    if features and not _FEATURES.fullmatch(features):
        return f"its features are no list of words: {features[:80]!r}"
    try:
        cpu_count = _number(service.meta, "cpus", _MOST_CPUS)
        memory_mib = _number(service.meta, "memory_mib", _MOST_MEMORY_MIB)
    except ValueError as error:
        return str(error)
    return Member(name, service.host, service.port, cpu_count, memory_mib, features)


def _number(meta: Mapping[str, str], key: str, most: int) -> int:
    text = meta.get(key, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 15 and int(text) <= most):
        raise ValueError(f"{key} is no number up to {most}: {text[:40]!r}")
    return int(text)
