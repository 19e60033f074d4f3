"""An InfiniBand fabric as facts: what `ibnetdiscover` writes, as a whole or a line a port (`-p`). Pure but for reading.

A switch has its facts, and contains the nodes whose adapters are cabled to it; two switches are linked. Each cabled
port of a switch has its speed and peer as facts, so that a link which came back slower is a change. A host adapter's
description is free text that begins with the host's name (`node018 HCA-1`, `node018 mlx5_0`), and may lag behind after
a boot: one of no node of the cluster is left out and said. A switch whose description another one has, too, gets its
GUID behind it. A fabric has loops; they are no error. Formats: ibnetdiscover(8) of infiniband-diags. Fed by `keeper`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from slurmlens.errors import DecodeError
from slurmlens.hub.inventory.entities import (
    CONTAINS,
    LINKED_TO,
    Entity,
    EntityKind,
    Telling,
    ToldFact,
    ToldRelation,
    told_facts,
)
from slurmlens.slurm.json_values import cleaned

SOURCE = "ibnetdiscover"
MOST_FILE_BYTES = 256 * 1024 * 1024
_MOST_NAMED = 5
_HEADER = re.compile(r'(?P<kind>Switch|Ca|Rt)\s+\d+\s+"[SHR]-(?P<guid>[0-9a-fA-F]{16})"\s*(?:#\s*"(?P<name>[^"]*)")?')
_PORT = re.compile(
    r'\[(?P<port>\d+)\](?:\[ext \d+\])?(?:\([0-9a-fA-F]+\))?\s*"(?P<kind>[SHR])-(?P<guid>[0-9a-fA-F]{16})"'
    r'\[(?P<peer_port>\d+)\](?:\[ext \d+\])?(?:\([0-9a-fA-F]+\))?\s*#[^"]*"(?P<name>[^"]*)"(?P<rest>.*)'
)
_LINE = re.compile(
    r"(?P<kind>SW|CA|RT)\s+\d+\s+(?P<port>\d+)\s+0x(?P<guid>[0-9a-fA-F]{1,16})\s+(?P<width>\d+x)\s+(?P<speed>\S+)"
    r"(?:\s+-\s+(?P<peer_kind>SW|CA|RT)\s+\d+\s+(?P<peer_port>\d+)\s+0x(?P<peer_guid>[0-9a-fA-F]{1,16})"
    r"\s+\(\s*'(?P<name>.*?)'\s+-\s+'(?P<peer_name>.*)'\s*\))?"
)
_SPEED = re.compile(r"\b(\d+x[A-Z]+\d*)\b")
_SWITCH = "SW"
_KINDS = {"Switch": "SW", "Ca": "CA", "Rt": "RT", "S": "SW", "H": "CA", "R": "RT"}


class FabricEnd(NamedTuple):
    """One end of a cable: a switch (SW), a host's adapter (CA) or a router, with its GUID and what it says it is."""

    kind: str
    guid: str
    name: str
    port: int


class FabricLink(NamedTuple):
    """A cable as one of its ends tells it; each is told twice."""

    near: FabricEnd
    far: FabricEnd
    speed: str


def fabric_links(text: str, name: str) -> tuple[FabricLink, ...]:
    """Every cable; DecodeError where a line is of neither form, with `name` and its number."""
    found: list[FabricLink] = []
    near: FabricEnd | None = None
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith(("#", "vendid=", "devid=", "sysimgguid=", "switchguid=", "caguid=", "rtguid=")):
            continue
        header, port, whole = _HEADER.match(bare), _PORT.match(bare), _LINE.match(bare)
        if header is not None:
            near = FabricEnd(_KINDS[header["kind"]], header["guid"].lower(), cleaned(header["name"] or ""), 0)
        elif port is not None and near is not None:
            far = FabricEnd(_KINDS[port["kind"]], port["guid"].lower(), cleaned(port["name"]), int(port["peer_port"]))
            speed = _SPEED.search(port["rest"])
            found.append(FabricLink(near._replace(port=int(port["port"])), far, speed[1] if speed else ""))
        elif whole is not None:
            found += _of_line(whole)
        else:
            raise DecodeError(f"{name}, line {number}: {bare[:60]!r} is no line of ibnetdiscover", reason="line")
    return tuple(found)


def _of_line(match: re.Match[str]) -> Iterator[FabricLink]:
    """A line of `ibnetdiscover -p`; a port that is down has no peer."""
    if match["peer_kind"] is None:
        return
    near = FabricEnd(match["kind"], match["guid"].lower().zfill(16), cleaned(match["name"]), int(match["port"]))
    peer_guid = match["peer_guid"].lower().zfill(16)
    far = FabricEnd(match["peer_kind"], peer_guid, cleaned(match["peer_name"]), int(match["peer_port"]))
    yield FabricLink(near, far, f"{match['width']}{match['speed']}")


def tell_fabric(links: Collection[FabricLink], nodes: Collection[str] | None, at_ns: int) -> Telling:
    """The fabric; `nodes` are those that the cluster has, None while that is not known."""
    drawn = _Fabric(links, None if nodes is None else frozenset(nodes))
    return Telling(
        source=SOURCE,
        at_ns=at_ns,
        facts=tuple(dict.fromkeys(drawn.facts())),
        relations=tuple(dict.fromkeys(drawn.relations())),
        is_whole=bool(links),
        problems=drawn.problems(),
    )


def tell_fabric_file(path: Path, nodes: Collection[str] | None, at_ns: int) -> Telling:
    """The file, read and told; DecodeError where it is of no use."""
    try:
        with path.open("rb") as file:
            body = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise DecodeError(f"{path}: {error.strerror}", reason="unreadable") from error
    if len(body) > MOST_FILE_BYTES:
        raise DecodeError(f"{path}: more than {MOST_FILE_BYTES} bytes", reason="too-long")
    return tell_fabric(fabric_links(body.decode("utf-8", "replace"), str(path)), nodes, at_ns)


class _Fabric:
    """The cables, with a name for every switch and a node for every adapter that has one."""

    def __init__(self, links: Collection[FabricLink], nodes: frozenset[str] | None) -> None:
        self._links = [*links, *(FabricLink(link.far, link.near, link.speed) for link in links)]
        self._nodes = nodes
        self._unknown: dict[str, None] = {}
        said = {end.guid: end.name for link in self._links for end in link[:2] if end.kind == _SWITCH}
        counts = Counter(said.values())
        self._names = {guid: self._named(name, guid, counts) for guid, name in said.items()}

    @staticmethod
    def _named(name: str, guid: str, counts: Counter[str]) -> str:
        return name if name and counts[name] == 1 else f"{name} {guid}".strip()

    def facts(self) -> Iterator[ToldFact]:
        for guid, name in self._names.items():
            yield from told_facts(Entity.of(EntityKind.SWITCH, name), {"guid": guid, "technology": "InfiniBand"})
        for link in self._links:
            if link.near.kind == _SWITCH:
                port = Entity.of(EntityKind.PORT, f"{self._names[link.near.guid]} port {link.near.port}")
                peer = self._names.get(link.far.guid, link.far.name)
                yield from told_facts(port, {"speed": link.speed or None, "peer": f"{peer} port {link.far.port}"})

    def relations(self) -> Iterator[ToldRelation]:
        for link in self._links:
            if link.near.kind != _SWITCH:
                continue
            switch = Entity.of(EntityKind.SWITCH, self._names[link.near.guid])
            if link.far.kind == _SWITCH:
                other = Entity.of(EntityKind.SWITCH, self._names[link.far.guid])
                if switch < other:
                    yield ToldRelation(entity=switch, relation=LINKED_TO, other=other)
            elif (node := self._node(link.far)) is not None:
                yield ToldRelation(entity=switch, relation=CONTAINS, other=Entity.of(EntityKind.NODE, node))

    def _node(self, end: FabricEnd) -> str | None:
        name = end.name.split(" ", 1)[0].partition(".")[0].strip("'")
        if end.kind == "CA" and name and (self._nodes is None or name in self._nodes):
            return name
        self._unknown[end.name or end.guid] = None
        return None

    def problems(self) -> tuple[str, ...]:
        names = list(self._unknown)
        if not names:
            return ()
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        return (f"the fabric has adapters of no node of the cluster: {', '.join(names[:_MOST_NAMED])}{more}",)
