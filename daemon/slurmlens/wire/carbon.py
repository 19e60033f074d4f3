"""Carbon's plaintext protocol: names and numbers of series as bytes; pure.

Owns what a series of ours is called and the one place where a foreign name becomes a component of a metric path:

    slurm.<cluster>.nodes.<node>.slots.<slot>.<metric>      a running job, in its slot
    slurm.<cluster>.nodes.<node>.node.<metric>              the node itself
    slurm.<cluster>.nodes.<node>.system.<collector>[.<of>].<metric>   what its collectors tell (`node_metrics`)
    slurm.<cluster>.nodes.<node>.slurmlens.<figure>[.<of>…]   what the daemon says of itself

Invariant: a component holds ASCII letters, digits, `_` and `-` only, so no name can leave its folder, add a level,
split a line or be a pattern of graphite-web. What is unavailable (None) or no number (NaN, infinity) makes no line.
Fed by the node's pipeline with `metrics.METRICS`; feeds the carbon sink, and the hub where it reads series back.
Format: one `path value timestamp` a line (Graphite documentation, "Feeding in your data", the plaintext protocol).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from typing import Self

from slurmlens.metrics import METRIC_BY_NAME, Kind

MAX_COMPONENT_CHARS = 100
"""Whisper makes a folder of each component, and file systems end at 255 bytes."""

_PLAIN = re.compile(r"(?!.*--)[A-Za-z0-9_-]{1,100}")
_ESCAPED = re.compile(r"[^A-Za-z0-9_-]|(?<![A-Za-z0-9_])-|-(?![A-Za-z0-9_])")
_ODD = re.compile(r"[^A-Za-z0-9_]")
_EMPTY = "--empty"
_HASH_BYTES = 16
_LONG_MARK = "--x"

# A rate is an estimate: six digits say all of it. A gauge is a count of something: it is told exactly.
_FORMAT = {Kind.RATE: b"%.6g", Kind.GAUGE: b"%.15g"}


def component(name: str) -> str:
    """A foreign name (cluster, user, group, interface, program) as one component of a path; two names never share one.

    A plain name of letters, digits, `_` and single `-` stays as it is, as in 2015. In any other, what is odd becomes
    `--` and two hexadecimal digits for each byte of its UTF-8: `first.last` is `first--2elast`, and `first_last` stays
    another user's. `-` is odd itself beside something odd, so that every `--` begins an escape. A name that would be
    too long ends in `--x` and a hash of the whole.

    >>> component("first.last")
    'first--2elast'
    """
    if _PLAIN.fullmatch(name):
        return name
    if not name:
        return _EMPTY
    escaped = _ESCAPED.sub(_escape, name)
    if len(escaped) <= MAX_COMPONENT_CHARS:
        return escaped
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()
    kept = MAX_COMPONENT_CHARS - len(_LONG_MARK) - len(digest)
    return f"{_ODD.sub('_', name)[:kept]}{_LONG_MARK}{digest}"


def _escape(odd: re.Match[str]) -> str:
    return "".join(f"--{byte:02x}" for byte in odd[0].encode("utf-8", "surrogatepass"))


def host_component(name: str) -> str:
    """The name of a node or host as one component: its dots become `_`, as in 2015 and as everyone does.

    That is safe for names of hosts, which hold no `_` (RFC 1123); one that holds both is escaped like any other name.
    """
    return component(name if "_" in name else name.replace(".", "_"))


def slot_prefix(cluster: str, node: str, slot: int) -> str:
    """Where the series of the job in this slot live; ends in a dot."""
    return f"slurm.{component(cluster)}.nodes.{host_component(node)}.slots.{slot}."


def node_prefix(cluster: str, node: str) -> str:
    """Where the series of the node itself live; ends in a dot."""
    return f"slurm.{component(cluster)}.nodes.{host_component(node)}.node."


def own_prefix(cluster: str, node: str) -> str:
    """Where the series of the daemon itself live; ends in a dot."""
    return f"slurm.{component(cluster)}.nodes.{host_component(node)}.slurmlens."


def system_lines(
    cluster: str, node: str, figures: Iterable[tuple[str, str, str, float]], time_s: int
) -> tuple[bytes, int]:
    """Lines of figures of the node itself, (collector, of, name, value) each, and their number."""
    prefix = f"slurm.{component(cluster)}.nodes.{host_component(node)}.system."
    lines = [
        f"{prefix}{collector}.{component(of) + '.' if of else ''}{name} {value:.9g} {time_s}\n"
        for collector, of, name, value in figures
        if math.isfinite(value)
    ]
    return "".join(lines).encode("ascii"), len(lines)


def own_line(prefix: str, name: str, labels: Sequence[str], value: float, time_s: int) -> bytes:
    """One figure of the daemon's own; each label's value is one more level. Nothing where the value is no number."""
    if not math.isfinite(value):
        return b""
    path = ".".join([component(name), *map(component, labels)])
    return f"{prefix}{path} {value:.15g} {time_s}\n".encode("ascii")


class SeriesBlock:
    """Series that are sent together at one time, their names encoded once: a job's in its slot, or a node's.

    Made when a slot is taken, used at every tick. One formatting operation makes all lines of a tick, which costs less
    than joining encoded pieces.
    """

    __slots__ = ("_line_heads", "names")

    def __init__(self, prefix: str, names: Sequence[str]) -> None:
        """`prefix` from `slot_prefix` or `node_prefix`; `names` are leaves, most of them of `metrics.METRICS`."""
        self.names = tuple(names)
        self._line_heads = tuple(f"{prefix}{name} ".encode("ascii") + _format_of(name) for name in self.names)

    @classmethod
    def joined(cls, blocks: Iterable[SeriesBlock]) -> Self:
        """The series of all of them, in this order: many small blocks cost more than a large one."""
        parts = tuple(blocks)
        block = cls("", ())
        block.names = tuple(name for part in parts for name in part.names)
        block._line_heads = tuple(head for part in parts for head in part._line_heads)
        return block

    def encode(self, values: Sequence[float | None], time_s: int) -> bytes:
        """Lines for one value per name, in the order of `names`; nothing for a value that is None, NaN or infinite.

        Raises ValueError where there are not as many values as names: that is a defect of the caller.
        """
        if len(values) != len(self.names):
            raise ValueError(f"{len(values)} values for {len(self.names)} series")
        line_end = b" %d\n" % time_s
        if _all_finite(values):
            return (line_end.join(self._line_heads) + line_end) % tuple(values) if values else b""
        return b"".join(
            [
                head % value + line_end
                for head, value in zip(self._line_heads, values, strict=True)
                if value is not None and math.isfinite(value)
            ]
        )


def _format_of(name: str) -> bytes:
    metric = METRIC_BY_NAME.get(name)
    return _FORMAT[metric.kind if metric else Kind.GAUGE]


def _all_finite(values: Sequence[float | None]) -> bool:
    """True only if every value is a number; a sum that overflows is a harmless False."""
    try:
        return math.isfinite(sum(values))  # type: ignore[arg-type]  # None is what the except is for
    except TypeError:
        return False
