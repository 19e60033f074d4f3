"""Slurm's states of nodes, and the inventory's attributes and relations, in words: pure tables.

A state is shown by word and tone, as states of jobs are. Where several words of Slurm's stand together the gravest
decides: a node that is IDLE+DRAIN is drained, one that is MIXED+DRAIN is draining. Source: sinfo(1), NODE STATE CODES.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.inventory.entities import (
    CHARGES,
    CONTAINS,
    COORDINATES,
    LINKED_TO,
    MEMBER_OF,
    OF_USER,
    RAN,
    RUNS_ON,
    FactValue,
)
from slurmlens.shown import format as fmt


class NodeWord(NamedTuple):
    """A node's state in our word, and the tone it is shown with."""

    word: str
    tone: str


_BUSY = frozenset({"ALLOCATED", "MIXED", "COMPLETING"})
_GRAVEST = (
    ("NOT_RESPONDING", NodeWord("not responding", "bad")),
    ("NO_RESPOND", NodeWord("not responding", "bad")),
    ("DOWN", NodeWord("down", "bad")),
    ("ERROR", NodeWord("error", "bad")),
    ("FAIL", NodeWord("failed", "bad")),
    ("FAILING", NodeWord("failing", "bad")),
    ("MAINTENANCE", NodeWord("maintenance", "idle")),
    ("MAINT", NodeWord("maintenance", "idle")),
    ("POWERED_DOWN", NodeWord("powered off", "idle")),
    ("POWERING_DOWN", NodeWord("powering off", "idle")),
    ("POWERING_UP", NodeWord("powering up", "idle")),
    ("REBOOT_ISSUED", NodeWord("rebooting", "warn")),
    ("REBOOT_REQUESTED", NodeWord("to reboot", "idle")),
    ("RESERVED", NodeWord("reserved", "idle")),
    ("PLANNED", NodeWord("planned", "idle")),
    ("ALLOCATED", NodeWord("allocated", "active")),
    ("MIXED", NodeWord("mixed", "active")),
    ("IDLE", NodeWord("idle", "good")),
    ("FUTURE", NodeWord("future", "idle")),
    ("UNKNOWN", NodeWord("unknown", "warn")),
)


@lru_cache(maxsize=1_024)
def node_word(told: str) -> NodeWord:
    """What Slurm's words for a node's state come to."""
    words = set(told.split("+"))
    if words & {"DOWN", "NOT_RESPONDING", "NO_RESPOND", "FAIL", "ERROR"}:
        pass
    elif words & {"DRAIN", "DRAINED", "DRAINING"}:
        return NodeWord("draining", "warn") if words & _BUSY else NodeWord("drained", "warn")
    return next((word for name, word in _GRAVEST if name in words), NodeWord(told.lower().replace("_", " "), "idle"))


def _moment_s(value: FactValue) -> str:
    return fmt.iso_s(int(value) * NS_PER_S) if isinstance(value, int) else str(value)


_LABELS: dict[str, tuple[str, Callable[[FactValue], str]]] = {
    "cpu_count": ("cores", lambda value: str(value)),
    "memory_bytes": ("memory", lambda value: fmt.memory(value) if isinstance(value, int | float) else str(value)),
    "operating_system": ("system", str),
    "slurm_version": ("slurmd", str),
    "architecture": ("architecture", str),
    "features": ("features", lambda value: ", ".join(value) if isinstance(value, tuple) else str(value)),
    "gres": ("generic resources", str),
    "host_name": ("host", str),
    "address": ("address", str),
    "boot_s": ("booted", _moment_s),
    "reason": ("reason", str),
    "reason_by": ("reason given by", str),
    "state": ("state", str),
    "time_limit_s": ("time limit", lambda value: fmt.duration(value) if isinstance(value, int | float) else str(value)),
    "is_default": ("default", lambda value: "yes" if value else "no"),
    "user_id": ("uid", str),
    "group_id": ("gid", str),
    "level": ("level", str),
    "topology": ("topology", str),
    "exists": ("is there", lambda value: "yes" if value else "no"),
}
"""By attribute: its label, and its value in words. The order is that of a page."""


def label(attribute: str) -> str:
    """What an attribute is called; one without a word of its own by its name."""
    return _LABELS[attribute][0] if attribute in _LABELS else attribute.replace("_", " ")


def value_text(attribute: str, value: FactValue) -> str:
    """A value in words."""
    if attribute in _LABELS:
        return _LABELS[attribute][1](value)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def attribute_order(attribute: str) -> tuple[int, str]:
    """Where an attribute stands on a page."""
    names = list(_LABELS)
    return (names.index(attribute) if attribute in _LABELS else len(names), attribute)


_FORWARD = {
    CONTAINS: "contains",
    MEMBER_OF: "member of",
    CHARGES: "charges",
    COORDINATES: "coordinates",
    RAN: "ran",
    OF_USER: "of",
    LINKED_TO: "linked to",
    RUNS_ON: "is on",
    "runs_on": "runs on",
    "of": "of",
    "in": "in",
}
_BACKWARD = {
    CONTAINS: "in",
    MEMBER_OF: "has as member",
    CHARGES: "is charged by",
    COORDINATES: "is coordinated by",
    RAN: "was run by",
    OF_USER: "has",
    LINKED_TO: "linked to",
    RUNS_ON: "has service",
    "runs_on": "runs",
    "of": "has",
    "in": "has",
}


def relation_words(relation: str, *, forward: bool) -> str:
    """How an entity stands to the other end of a relation."""
    return (_FORWARD if forward else _BACKWARD).get(relation, relation.replace("_", " "))
