"""A strict reader of Graphite expressions, written from graphite-web's grammar and not from our writer of them."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(r"'[^'\\]*'|\{[\w,*$-]+\}|[\w.*$-]+|[(),]", re.ASCII)
_NUMBER = re.compile(r"-?\d+")


class Call(NamedTuple):
    """A function with its arguments: calls, series' patterns, numbers and quoted words."""

    function: str
    arguments: tuple[Call | str, ...]


def parse_expression(text: str) -> Call | str:
    """The expression; ValueError where it is none, or goes on behind its end."""
    tokens = _tokens(text)
    found, rest = _read(tokens)
    if rest:
        raise ValueError(f"{rest[0]!r} behind the end of {text!r}")
    return found


def series_of(expression: Call | str) -> list[str]:
    """All patterns of series in it."""
    if isinstance(expression, Call):
        return [series for argument in expression.arguments for series in series_of(argument)]
    return [] if expression.startswith("'") or _NUMBER.fullmatch(expression) else [expression]


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise ValueError(f"{text[at]!r} at {at} of {text!r}")
        tokens.append(found[0])
        at = found.end()
    return tokens


def _read(tokens: list[str]) -> tuple[Call | str, list[str]]:
    if not tokens or tokens[0] in "(),":
        raise ValueError(f"an expression, not {tokens[:1]}")
    head, rest = tokens[0], tokens[1:]
    if head.startswith("'"):
        return head, rest
    while rest and rest[0] not in ("(", ")", ",") and not rest[0].startswith("'"):  # braces are a part of a path
        head, rest = head + rest[0], rest[1:]
    if not rest or rest[0] != "(":
        return head, rest
    arguments: list[Call | str] = []
    while rest[0] != ")":
        argument, rest = _read(rest[1:])
        arguments.append(argument)
        if not rest or rest[0] not in (",", ")"):
            raise ValueError(f"{head} is not closed")
    return Call(head, tuple(arguments)), rest[1:]
