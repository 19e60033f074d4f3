"""Host lists: "c[1-2,07]" to names and back, by ClusterShell's NodeSet.

Owns the one place where ClusterShell is called. Group syntax ("@group") is switched off, so that ClusterShell's
configuration is never read and a node list can't run a command. Pure otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

from slurmlens.errors import DecodeError

MAX_NODES = 200_000

_BRACKET_OR_COMMA = re.compile(r"\[([^\]]*)\]?|(,)")
_NO_NODES = frozenset({"", "(null)", "None", "None assigned", "n/a", "N/A", "Unknown"})


def expand(text: str | None) -> tuple[str, ...]:
    """The names in a host list, in Slurm's order; () for the words by which Slurm says that there are none.

    DecodeError where it is no host list, or would be longer than `MAX_NODES`.
    """
    if text is None or text.strip() in _NO_NODES:
        return ()
    if _most_nodes(text) > MAX_NODES:  # NodeSet would build them all before it could be asked how many
        raise DecodeError(f"host list {text[:60]!r} has more than {MAX_NODES} nodes", reason="hostlist")
    try:
        nodes = NodeSet(text, resolver=RESOLVER_NOGROUP)
        return tuple(str(node) for node in nodes)
    except (NodeSetException, ValueError, OverflowError, IndexError) as error:
        raise DecodeError(f"{text[:60]!r} is no host list: {error}", reason="hostlist") from error


def _most_nodes(text: str) -> int:
    """An upper bound of the names in a host list, without making them."""
    most, in_item = 0, 1
    for ranges, comma in _BRACKET_OR_COMMA.findall(text):
        if comma:
            most, in_item = most + in_item, 1
        else:
            in_item *= sum(_width(part) for part in ranges.split(","))
    return most + in_item


def _width(part: str) -> int:
    low, _, high = part.partition("-")
    high = high.partition("/")[0]
    if not (low.isdecimal() and high.isdecimal()):
        return 1
    return max(1, int(high[:18]) - int(low[:18]) + 1)


def fold(names: Iterable[str]) -> str:
    """The shortest host list of these names: c1, c2 becomes "c[1-2]"."""
    names = tuple(names)
    try:
        return str(NodeSet.fromlist(list(names), resolver=RESOLVER_NOGROUP))
    except (NodeSetException, ValueError) as error:
        raise DecodeError(f"no node names: {error}", reason="hostlist") from error
