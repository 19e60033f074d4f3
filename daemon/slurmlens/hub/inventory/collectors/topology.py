"""The network as Slurm knows it: switches (or blocks), what hangs below each. Pure but for reading a file.

What cannot be is left out and said: a node that the cluster does not have, a switch that is nowhere described, a switch
that would stand below itself. Slurm lists the nodes of a switch's switches with it, too: here they are the lower one's.
Of one name in two topologies both get the topology's name in front. Fed by `keeper` with the scheduler's answer or with
the file that the settings name; what it tells becomes rows in `recording`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from slurmlens.errors import DecodeError
from slurmlens.hub.inventory.entities import CONTAINS, Entity, EntityKind, Telling, ToldFact, ToldRelation, told_facts
from slurmlens.slurm.records import SwitchRecord
from slurmlens.slurm.topology_text import topology_file
from slurmlens.slurm.topology_yaml import topology_yaml

SOURCE = "slurm topology"
MOST_FILE_BYTES = 16 * 1024 * 1024
_MOST_NAMED = 5


def read_topology_file(path: Path) -> tuple[SwitchRecord, ...]:
    """The switches of a topology.conf or, by its ending, a topology.yaml; DecodeError where it is of no use."""
    try:
        with path.open("rb") as file:
            body = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise DecodeError(f"{path}: {error.strerror}", reason="unreadable") from error
    if len(body) > MOST_FILE_BYTES:
        raise DecodeError(f"{path}: more than {MOST_FILE_BYTES} bytes", reason="too-long")
    text = body.decode("utf-8", "replace")
    if path.suffix in (".yaml", ".yml"):
        return topology_yaml(text, str(path))
    return topology_file(text, str(path))


def tell_topology(
    switches: Sequence[SwitchRecord], nodes: Collection[str] | None, at_ns: int, *, is_whole: bool = True
) -> Telling:
    """The topology as far as it can be; `nodes` are those that the cluster has, None while that is not known."""
    drawn = _Drawing(switches, nodes)
    return Telling(
        source=SOURCE,
        at_ns=at_ns,
        facts=tuple(drawn.facts),
        relations=tuple(dict.fromkeys(drawn.relations)),
        is_whole=is_whole,
        problems=tuple(drawn.problems()),
    )


class _Drawing:
    """The switches of one answer, brought into a shape that can be."""

    def __init__(self, switches: Sequence[SwitchRecord], nodes: Collection[str] | None) -> None:
        names = Counter(one.name for one in switches)
        self._twice = {name for name, count in names.items() if count > 1}
        self._nodes_with = {self._name(one, one.name): frozenset(one.nodes) for one in switches}
        self._nodes = None if nodes is None else frozenset(nodes)
        self._unknown_nodes: dict[str, None] = {}
        self._unknown_switches: dict[str, None] = {}
        self._loops: list[str] = []
        self._below: dict[str, list[str]] = {}
        self.facts: list[ToldFact] = []
        self.relations: list[ToldRelation] = []
        for one in switches:
            self._draw(one)

    def _name(self, switch: SwitchRecord, name: str) -> str:
        return f"{switch.topology}:{name}" if switch.topology and name in self._twice else name

    def _draw(self, switch: SwitchRecord) -> None:
        name = self._name(switch, switch.name)
        entity = Entity.of(EntityKind.SWITCH, name)
        self.facts += told_facts(entity, {"level": switch.level, "topology": switch.topology})
        farther = frozenset[str]()
        for below in switch.switches:
            child = self._name(switch, below)
            if child not in self._nodes_with:
                self._unknown_switches[child] = None
            elif self._reaches(child, name):
                self._loops.append(f"{name} and {child}")
            else:
                self._below.setdefault(name, []).append(child)
                self._contain(entity, Entity.of(EntityKind.SWITCH, child))
                farther |= self._nodes_with[child]
        for node in switch.nodes:
            if node in farther:
                continue
            if self._nodes is not None and node not in self._nodes:
                self._unknown_nodes[node] = None
                continue
            self._contain(entity, Entity.of(EntityKind.NODE, node))

    def _contain(self, entity: Entity, other: Entity) -> None:
        self.relations.append(ToldRelation(entity=entity, relation=CONTAINS, other=other))

    def _reaches(self, begin: str, wanted: str) -> bool:
        """Whether `wanted` stands below `begin`, or is it, by what was drawn so far."""
        seen, left = {begin}, [begin]
        while left:
            name = left.pop()
            if name == wanted:
                return True
            fresh = [one for one in self._below.get(name, ()) if one not in seen]
            seen.update(fresh)
            left += fresh
        return False

    def problems(self) -> list[str]:
        """What was left out, in words."""
        found: list[str] = []
        if self._unknown_nodes:
            found.append(f"the topology names nodes that the cluster does not have: {_some(list(self._unknown_nodes))}")
        if self._unknown_switches:
            found.append(
                f"the topology names switches that it does not describe: {_some(list(self._unknown_switches))}"
            )
        if self._loops:
            found.append(f"the topology has a loop: each would stand below the other of {_some(self._loops)}")
        return found


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown
