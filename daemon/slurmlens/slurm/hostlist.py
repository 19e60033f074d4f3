"""Host lists: "c[1-2,07]" to names and back.

Owns the one place where a host list is taken apart and put together. Names come in the list's own order, for Slurm
pairs other lists with it by position ("32,8,4" of SLURM_JOB_CPUS_PER_NODE); ClusterShell's NodeSet sorts, so it folds
and does not expand (it is the oracle of the tests). Group syntax ("@group") is switched off, so that ClusterShell's
configuration is never read and a node list can't run a command. Pure otherwise. Format: slurm.conf(5) "NodeName",
hostlist of Slurm's own library: any number of bracketed ranges in one name.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

from slurmlens.errors import DecodeError

MAX_NODES = 200_000
MAX_NAME_CHARS = 255

_NAME = re.compile(r"(?:[^\[\],\s]|\[[^\[\]\s]*\])+")
_PART = re.compile(r"\[([^\[\]]*)\]|[^\[\]]+")
_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18})(?:/([1-9][0-9]{0,8}))?)?")
_NUMBERED = re.compile(r"([A-Za-z0-9._-]*[A-Za-z._-])([0-9]{1,9})")
_NO_NODES = frozenset({"", "(null)", "None", "None assigned", "n/a", "N/A", "Unknown"})


def expand(text: str | None) -> tuple[str, ...]:
    """The names in a host list, in the list's own order; () for the words by which Slurm says that there are none.

    A name that comes twice counts where it comes first. DecodeError (reason "hostlist") where it is no host list, or
    would be longer than `MAX_NODES`.
    """
    if text is None or text.strip() in _NO_NODES:
        return ()
    places = [[_choices(text, part) for part in _PART.finditer(item)] for item in _items(text.strip())]
    if sum(math.prod(map(_count, choices)) for choices in places) > MAX_NODES:  # before any name is made
        raise DecodeError(f"host list {text[:60]!r} has more than {MAX_NODES} nodes", reason="hostlist")
    names = dict.fromkeys(name for choices in places for name in map("".join, itertools.product(*map(_made, choices))))
    if any(len(name) > MAX_NAME_CHARS for name in names):
        raise DecodeError(f"{text[:60]!r} has a name of more than {MAX_NAME_CHARS} letters", reason="hostlist")
    return tuple(names)


class _Numbers(NamedTuple):
    """A range in a bracket, its numbers written with at least `width` digits."""

    numbers: range
    width: int


_Choices = str | list[_Numbers]
"""What may stand in one place of a name: a text, or the numbers of a bracket."""


def _count(choices: _Choices) -> int:
    return 1 if isinstance(choices, str) else sum(len(one.numbers) for one in choices)


def _made(choices: _Choices) -> list[str]:
    if isinstance(choices, str):
        return [choices]
    return [f"{number:0{one.width}}" for one in choices for number in one.numbers]


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


def _choices(text: str, part: re.Match[str]) -> _Choices:
    """What may stand in this place; zeros in front of a range's first number are kept."""
    if part[1] is None:
        return part[0]
    ranges: list[_Numbers] = []
    for piece in part[1].split(","):
        match = _RANGE.fullmatch(piece)
        if match is None:
            raise DecodeError(f"{text[:60]!r} is no host list: {piece[:20]!r} is no range", reason="hostlist")
        low, high, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if high < low:
            raise DecodeError(f"{text[:60]!r} is no host list: {piece[:20]!r} goes down", reason="hostlist")
        ranges.append(_Numbers(range(low, high + 1, step), len(match[1])))
    return ranges


def fold(names: Iterable[str]) -> str:
    """The shortest host list of these names: c1, c2 becomes "c[1-2]"."""
    names = tuple(names)
    if (folded := _folded_alike(names)) is not None:
        return folded
    try:
        return str(NodeSet.fromlist(list(names), resolver=RESOLVER_NOGROUP))
    except (NodeSetException, ValueError) as error:
        raise DecodeError(f"no node names: {error}", reason="hostlist") from error


def _folded_alike(names: Collection[str]) -> str | None:
    """The same for names that differ in a number of as many digits at their end; None for all others.

    These are nearly all names that there are, and a list of jobs has hundreds of them: a NodeSet takes 70 µs for one.
    """
    alike = [_NUMBERED.fullmatch(name) for name in names]
    heads = {(match[1], len(match[2])) if match else None for match in alike}
    if len(heads) != 1 or None in heads:
        return None
    numbers = sorted({int(match[2]) for match in alike if match})
    ((head, width),) = (one for one in heads if one is not None)
    if len(numbers) == 1:
        return f"{head}{numbers[0]:0{width}}"
    ranges = []
    for _, run in itertools.groupby(enumerate(numbers), lambda place: place[1] - place[0]):
        own = [number for _, number in run]
        ends = own if len(own) == 1 else (own[0], own[-1])
        ranges.append("-".join(f"{number:0{width}}" for number in ends))
    return f"{head}[{','.join(ranges)}]"


def fold_or_list(names: Iterable[str]) -> str:
    """`fold`, to be shown: names that no Slurm would allow stay as they are, one after the other."""
    names = tuple(names)
    try:
        return fold(names)
    except DecodeError:
        return ",".join(names)
