"""Slurm's `topology.yaml` (25.05 and later): several topologies in one file, each a tree, blocks, rings or flat.

Owns that form: a list of topologies, each with a name and one member that says its kind. Pure. An error names the file
and the place in it. PyYAML's safe loader reads it, which makes plain values alone. Fed by the hub's inventory. Format:
topology.yaml(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from slurmlens.errors import DecodeError
from slurmlens.slurm.hostlist import expand
from slurmlens.slurm.json_values import cleaned
from slurmlens.slurm.records import SwitchRecord

_UNITS = {
    "tree": ("switches", "switch"),
    "block": ("blocks", "block"),
    "ring": ("rings", "ring"),
    "torus3d": ("toruses", "name"),
}
"""By kind: the member that lists its units, and the member of a unit that names it."""

_OTHER_MEMBERS = frozenset({"topology", "cluster_default", "flat"})


def topology_yaml(text: str, name: str) -> tuple[SwitchRecord, ...]:
    """The switches, blocks and rings of a topology.yaml; DecodeError says what cannot be used and where."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DecodeError(f"{name} is no YAML: {' '.join(str(error).split())}", reason="yaml") from error
    except (RecursionError, ValueError) as error:  # nested without end; a date that is none
        raise DecodeError(f"{name} cannot be read: {error}", reason="yaml") from error
    if document is None:
        return ()
    if not isinstance(document, list):
        raise DecodeError(f"{name}: a list of topologies is expected", reason="shape")
    return tuple(switch for topology in document for switch in _switches(topology, name))


def _switches(topology: Any, name: str) -> Iterator[SwitchRecord]:
    if not isinstance(topology, Mapping) or not isinstance(topology.get("topology"), str):
        raise DecodeError(f"{name}: a topology without its name (topology: …)", reason="shape")
    own = str(topology["topology"])
    where = f"{name}, topology {own!r}"
    kinds = [kind for kind in topology if kind not in _OTHER_MEMBERS]
    for kind in kinds:
        if kind not in _UNITS:
            raise DecodeError(f"{where}: {kind!r} is no kind of topology that is known here", reason="kind")
        listed, named = _UNITS[kind]
        units = topology[kind].get(listed) if isinstance(topology[kind], Mapping) else None
        if not isinstance(units, list):
            raise DecodeError(f"{where}: {kind} has no list {listed!r}", reason="shape")
        for unit in units:
            yield _switch(unit, named, own, where)


def _switch(unit: Any, named: str, topology: str, where: str) -> SwitchRecord:
    if not isinstance(unit, Mapping) or not isinstance(unit.get(named), str):
        raise DecodeError(f"{where}: a {named} without its name", reason="switch-name")
    at = f"{where}, {named} {unit[named]!r}"
    return SwitchRecord(
        name=cleaned(unit[named]),
        nodes=_names(unit, "nodes", at),
        switches=_names(unit, "children", at),
        topology=cleaned(topology),
    )


def _names(unit: Mapping[str, Any], member: str, at: str) -> tuple[str, ...]:
    value = unit.get(member)
    if value is None:
        return ()
    if not isinstance(value, str):
        raise DecodeError(f"{at}: {member} is no host list", reason="shape")
    try:
        return tuple(map(cleaned, expand(value)))
    except DecodeError as error:
        raise DecodeError(f"{at}: {error}", reason=error.reason) from error
