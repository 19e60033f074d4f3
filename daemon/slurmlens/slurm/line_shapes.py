"""Shapes of log lines, as the tables write them, compiled to patterns: pure.

Owns the little language of the tables, which shows a line as it looks:

    Allocate <J> NodeList=<nodes> #CPUs=<cpu_count:n> Partition=<partition>

`<name>` is a word, `<name:n>` a number, `<name:text>` anything up to what follows, `<name:rest>` all that is left;
`<nodes>` is a hostlist and `<node>` one host (both become the fact's nodes); `<J>` is a job or a step in any of Slurm's
spellings. `{a|b}` is one of these, `{a}?` may be missing; within braces stand shapes again, without braces.
Used by `log_kinds` and `kernel_lines`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from slurmlens.log_lines import LineFact
from slurmlens.slurm.job_mentions import ANY, mention_of

_PARTS = re.compile(r"<(?P<name>\w+)(?::(?P<type>n|text|rest))?>|\{(?P<choice>[^{}]*)\}(?P<maybe>\?)?")
_MATCHED_BY = {None: r"\S+", "n": r"\d{1,18}", "text": r".+?", "rest": r".*"}
_HOST = r"[\w.-]{1,255}"
_HOSTLIST = r"[\w.,\[\]-]{1,65536}"
_JOB_GROUPS = frozenset(re.compile(ANY).groupindex)


class LineKind(NamedTuple):
    """One kind of line: what it is called, a literal that is in all its lines, how it is read, which fields count."""

    name: str
    literal: str
    pattern: re.Pattern[str]
    numbers: frozenset[str]


def line_kind(name: str, literal: str, shape: str) -> LineKind:
    """A row of a table. The literal is looked for first: a hundred rows then cost what a few patterns do."""
    numbers = frozenset(part["name"] for part in _PARTS.finditer(shape.replace("{", " ")) if part["type"] == "n")
    return LineKind(name, literal, re.compile(_compiled(shape), re.DOTALL), numbers)


def _compiled(shape: str) -> str:
    made, end = [], 0
    for part in _PARTS.finditer(shape):
        made.append(re.escape(shape[end : part.start()]))
        end = part.end()
        if part["name"] is not None:
            made.append(_group(part["name"], part["type"]))
        else:
            choices = "|".join(_compiled(choice) for choice in part["choice"].split("|"))
            made.append(f"(?:{choices}){part['maybe'] or ''}")
    made.append(re.escape(shape[end:]))
    return "".join(made)


def _group(name: str, kind: str | None) -> str:
    if name == "J":
        return f"(?:{ANY})"
    if name == "node":
        return f"(?P<nodes>{_HOST})"
    if name == "nodes":
        return rf"(?:\(null\)|(?P<nodes>{_HOSTLIST}))"
    return f"(?P<{name}>{_MATCHED_BY[kind]})"


def first_fact(kinds: Sequence[LineKind], text: str) -> LineFact | None:
    """What a text says by the first row that fits; None where no row does."""
    for kind in kinds:
        if kind.literal in text and (match := kind.pattern.search(text)) is not None:
            return _fact(kind, match)
    return None


def _fact(kind: LineKind, match: re.Match[str]) -> LineFact:
    groups = match.groupdict()
    fields: dict[str, str | int] = {}
    for name, value in groups.items():
        if value is not None and name != "nodes" and name not in _JOB_GROUPS:
            fields[name] = int(value) if name in kind.numbers else value.strip()
    return LineFact(kind.name, mention_of(groups), groups.get("nodes"), fields)
