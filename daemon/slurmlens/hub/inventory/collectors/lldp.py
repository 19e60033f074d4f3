"""The Ethernet as facts: which switch each node's ports are cabled to, by the LLDP neighbours that the node heard.

A folder has a file a node, `NODE.json`: what `lldpctl -f json0`, `lldpctl -f json` or `networkctl lldp --json=short`
printed there. `json0` always has arrays; `json` has an object where there is one thing, and names chassis and
interfaces by their keys (lldpctl(8), issue 236 of lldpd): all three are read. A neighbour that was heard longer ago
than it said to be good for (TTL) is stale and left out. Pure but for reading. Fed by `keeper`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.hub.inventory.entities import CONTAINS, Entity, EntityKind, Telling, ToldFact, ToldRelation, told_facts
from slurmlens.slurm.json_values import cleaned

SOURCE = "lldp"
MOST_FILES = 20_000
MOST_FILE_BYTES = 4 * 1024 * 1024
_AGE = re.compile(r"(?:(?P<days>\d+) days?, )?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)")
_MOST_PROBLEMS = 5


class LldpNeighbour(NamedTuple):
    """A port of a node, and what it is cabled to."""

    interface: str
    switch: str
    port: str


def lldp_neighbours(body: bytes, name: str) -> tuple[LldpNeighbour, ...]:
    """The neighbours of one node, without stale ones; DecodeError with `name` where this is none of the three forms."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"{name} is no JSON: {error}", reason="json") from error
    try:
        return tuple(dict.fromkeys(_neighbours(told)))
    except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
        forms = "lldpctl -f json0, lldpctl -f json, networkctl lldp --json=short"
        raise DecodeError(f"{name} is none of: {forms} ({type(error).__name__}: {error})", reason="shape") from error


def _neighbours(told: Any) -> Iterator[LldpNeighbour]:
    if "Neighbors" in told:
        yield from _of_networkctl(told)
        return
    for interface, one in _named(list(_all(told["lldp"])), "interface"):
        (chassis_key, chassis), *_ = _named([one], "chassis")
        (_, port), *_ = _named([one], "port")
        if not _is_stale(one, port):
            switch = _text(chassis.get("name")) or chassis_key or _text(chassis.get("id"))
            yield LldpNeighbour(interface, cleaned(switch), cleaned(_text(port.get("id")) or _text(port.get("descr"))))


def _of_networkctl(told: Any) -> Iterator[LldpNeighbour]:
    for interface in told["Neighbors"]:
        for one in interface.get("Neighbors", ()):
            switch = one.get("SystemName") or one.get("ChassisID") or one["RawChassisID"]
            port = one.get("PortID") or one.get("PortDescription") or ""
            yield LldpNeighbour(cleaned(str(interface["InterfaceName"])), cleaned(str(switch)), cleaned(str(port)))


def _all(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif value is not None:
        yield value


def _named(holders: list[Any], member: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Things in a member of these, with their names: an array of objects that have `name`, an object by key, or one."""
    for holder in holders:
        for one in _all(holder.get(member)):
            if (member == "interface" and isinstance(one.get("name"), str)) or (
                member != "interface" and _is_plain(one)
            ):
                yield str(one.get("name") if member == "interface" else ""), one
            else:
                for key, value in one.items():
                    yield str(key), value


def _is_plain(one: Mapping[str, Any]) -> bool:
    """Whether it is a chassis or port itself, and not an object that names one by its key."""
    return bool(one.keys() & {"id", "descr", "ttl", "mgmt-ip"})


def _text(value: Any) -> str:
    """A value in any of its spellings: text, `{"value": …}`, or the first of an array of these."""
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    if isinstance(value, Mapping):
        return _text(value.get("value"))
    return "" if value is None else str(value)


def _is_stale(interface: Mapping[str, Any], port: Mapping[str, Any]) -> bool:
    match, ttl = _AGE.search(_text(interface.get("age"))), _text(port.get("ttl"))
    if match is None or not ttl.isascii() or not ttl.isdecimal():
        return False
    age = (int(match["days"] or 0) * 24 + int(match["hours"])) * 3600 + int(match["minutes"]) * 60
    return age + int(match["seconds"]) > int(ttl)


def read_lldp_folder(folder: Path) -> tuple[dict[str, tuple[LldpNeighbour, ...]], list[str]]:
    """The neighbours of each node with a file there, and what is wrong with others; DecodeError without a folder."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        raise DecodeError(f"{folder}: {error.strerror}", reason="unreadable") from error
    found: dict[str, tuple[LldpNeighbour, ...]] = {}
    problems: list[str] = []
    for path in paths[:MOST_FILES]:
        try:
            with path.open("rb") as file:
                body = file.read(MOST_FILE_BYTES + 1)
            if len(body) > MOST_FILE_BYTES:
                raise DecodeError(f"{path}: more than {MOST_FILE_BYTES} bytes", reason="too-long")
            found[cleaned(path.stem)] = lldp_neighbours(body, str(path))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except DecodeError as error:
            problems.append(str(error))
    return found, problems


def tell_lldp(
    told: Mapping[str, Collection[LldpNeighbour]], nodes: Collection[str] | None, problems: list[str], at_ns: int
) -> Telling:
    """The switches and what hangs on them; with a problem nothing that was known ends."""
    unknown = [name for name in told if nodes is not None and name not in nodes]
    facts: list[ToldFact] = []
    relations: list[ToldRelation] = []
    for name in sorted(told.keys() - set(unknown)):
        node = Entity.of(EntityKind.NODE, name)
        for one in told[name]:
            switch = Entity.of(EntityKind.SWITCH, one.switch)
            port = Entity.of(EntityKind.PORT, f"{one.switch} port {one.port}")
            facts += told_facts(switch, {"technology": "Ethernet"})
            facts += told_facts(port, {"peer": f"{name} {one.interface}"})
            relations.append(ToldRelation(entity=switch, relation=CONTAINS, other=node))
    said = [f"files of no node of the cluster: {', '.join(unknown[:_MOST_PROBLEMS])}"] if unknown else []
    return Telling(
        source=SOURCE,
        at_ns=at_ns,
        facts=tuple(dict.fromkeys(facts)),
        relations=tuple(dict.fromkeys(relations)),
        is_whole=bool(told) and not problems,
        problems=(*said, *problems[:_MOST_PROBLEMS]),
    )


def tell_lldp_folder(folder: Path, nodes: Collection[str] | None, at_ns: int) -> Telling:
    """The folder, read and told."""
    told, problems = read_lldp_folder(folder)
    return tell_lldp(told, nodes, problems, at_ns)
