"""Host lists: "c[1-2,07]" to names and back.

Owns the one place where a host list is taken apart and put together. Names come in the list's own order, for Slurm
pairs other lists with it by position ("32,8,4" of SLURM_JOB_CPUS_PER_NODE); ClusterShell's NodeSet sorts, so it folds
and does not expand (it is the oracle of the tests). Group syntax ("@group") is switched off, so that ClusterShell's
configuration is never read and a node list can't run a command. Pure otherwise. Format: slurm.conf(5) "NodeName",
hostlist of Slurm's own library: any number of bracketed ranges in one name.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

from slurmlens.errors import DecodeError

MAX_NODES = 200_000
MAX_NAME_CHARS = 255

_NAME = re.compile(r"(?:[^\[\],\s]|\[[^\[\]\s]*\])+")
_PART = re.compile(r"\[([^\[\]]*)\]|[^\[\]]+")
_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18})(?:/([1-9][0-9]{0,8}))?)?")
_NO_NODES = frozenset({"", "(null)", "None", "None assigned", "n/a", "N/A", "Unknown"})


def expand(text: str | None) -> tuple[str, ...]:
    """The names in a host list, in the list's own order; () for the words by which Slurm says that there are none.

    A name that comes twice counts where it comes first. DecodeError (reason "hostlist") where it is no host list, or
    would be longer than `MAX_NODES`.
    """
    if text is None or text.strip() in _NO_NODES:
        return ()
    names: dict[str, None] = {}
    room = MAX_NODES
    for item in _items(text.strip()):
        parts = [_choices(text, part, room) for part in _PART.finditer(item)]
        count = 1
        for choices in parts:
            count *= len(choices)
        room -= count
        if room < 0:
            raise _too_long(text)
        names.update(dict.fromkeys(map("".join, itertools.product(*parts))))
    if any(len(name) > MAX_NAME_CHARS for name in names):
        raise DecodeError(
            f"host list {text[:60]!r} has a name of more than {MAX_NAME_CHARS} letters", reason="hostlist"
        )
    return tuple(names)


def _items(text: str) -> Iterator[str]:
    """What stands between commas that are not in brackets."""
    at = 0
    while True:
        match = _NAME.match(text, at)
        if match is None:
            raise DecodeError(f"{text[:60]!r} is no host list", reason="hostlist")
        yield match[0]
        at = match.end()
        if at == len(text):
            return
        if text[at] != ",":
            raise DecodeError(f"{text[:60]!r} is no host list", reason="hostlist")
        at += 1


def _choices(text: str, part: re.Match[str], room: int) -> list[str]:
    """What may stand in one place of a name: the text itself, or each number of a bracket, zeros in front kept."""
    if part[1] is None:
        return [part[0]]
    choices: list[str] = []
    for piece in part[1].split(","):
        match = _RANGE.fullmatch(piece)
        if match is None:
            raise DecodeError(f"{text[:60]!r} is no host list: {piece[:20]!r} is no range", reason="hostlist")
        low, high, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if high < low:
            raise DecodeError(f"{text[:60]!r} is no host list: {piece[:20]!r} goes down", reason="hostlist")
        if (high - low) // step + 1 > room - len(choices):
            raise _too_long(text)
        width = len(match[1])
        choices += [f"{number:0{width}}" for number in range(low, high + 1, step)]
    return choices


def _too_long(text: str) -> DecodeError:
    return DecodeError(f"host list {text[:60]!r} has more than {MAX_NODES} nodes", reason="hostlist")


def fold(names: Iterable[str]) -> str:
    """The shortest host list of these names: c1, c2 becomes "c[1-2]"."""
    names = tuple(names)
    try:
        return str(NodeSet.fromlist(list(names), resolver=RESOLVER_NOGROUP))
    except (NodeSetException, ValueError) as error:
        raise DecodeError(f"no node names: {error}", reason="hostlist") from error
