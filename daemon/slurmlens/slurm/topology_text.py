"""Slurm's topology as text: `topology.conf`, and what `scontrol show topology` prints.

Owns both readings, which differ in what else stands in a line and in what is an error: a file that people write is
refused with the number of its line, of a command's answer what cannot be read is counted. One line is one switch
(`SwitchName=s1 Nodes=n[1-4] Switches=s[2-3] Level=0`) or block (`BlockName=b1 Nodes=…`). Pure. Fed by `source` and by
the hub's inventory. Format: topology.conf(5).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from slurmlens.errors import DecodeError
from slurmlens.slurm.hostlist import expand
from slurmlens.slurm.json_values import cleaned
from slurmlens.slurm.pieces import Pieces, text_lines
from slurmlens.slurm.records import Decoded, SwitchRecord

_WORD = re.compile(r"(\w+)=(\S*)")
_NAMES = ("switchname", "blockname")
_NO_SWITCHES = frozenset({"blocksizes"})
"""Settings of a topology.conf beside its switches."""


def shown_topology(pieces: Pieces) -> Decoded[SwitchRecord]:
    """Switches and blocks that `scontrol show topology` prints; other lines say that there are none."""
    lines = (line for line in text_lines(pieces) if line.lstrip().lower().startswith(tuple(f"{n}=" for n in _NAMES)))
    return Decoded.of(lines, _shown)


def topology_file(text: str, name: str) -> tuple[SwitchRecord, ...]:
    """The switches of a topology.conf; DecodeError names `name` and the line that cannot be used."""
    switches: list[SwitchRecord] = []
    for number, line in _logical_lines(text):
        words = {key.lower(): value for key, value in _WORD.findall(line)}
        if not words.keys() & set(_NAMES):
            if words.keys() & _NO_SWITCHES:
                continue
            raise DecodeError(f"{name}, line {number}: neither SwitchName= nor BlockName= stands in it", reason="line")
        try:
            switches += _listed(words)
        except DecodeError as error:
            raise DecodeError(f"{name}, line {number}: {error}", reason=error.reason) from error
    return tuple(switches)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without comments; one that ends in a backslash goes on in the next."""
    begun, kept = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        kept, begun = kept + line.partition("#")[0], begun or number
        if kept.rstrip().endswith("\\"):
            kept = kept.rstrip()[:-1] + " "
            continue
        if kept.strip():
            yield begun, kept.strip()
        begun, kept = 0, ""


def _shown(line: str, unknown: Counter[str]) -> SwitchRecord:
    words = {key.lower(): value for key, value in _WORD.findall(line)}
    first, *more = _listed(words)
    if more:
        raise DecodeError(f"{line[:60]!r} is more than one switch", reason="switch-name")
    return first


def _listed(words: dict[str, str]) -> Iterator[SwitchRecord]:
    """The switches of one line: a name may be a host list, as of nodes in slurm.conf."""
    names = expand(next(words[key] for key in _NAMES if key in words))
    if not names:
        raise DecodeError("a switch without a name", reason="switch-name")
    level = words.get("level", "")
    nodes, below = expand(words.get("nodes")), expand(words.get("switches"))
    for name in names:
        yield SwitchRecord(
            name=cleaned(name),
            nodes=tuple(map(cleaned, nodes)),
            switches=tuple(map(cleaned, below)),
            level=int(level) if level.isascii() and level.isdecimal() and len(level) < 9 else None,
        )
