"""Words that are looked for in messages: what people type, as terms, for the index and for lines as they come. Pure.

Owns the reading: words that must all be there, `"side by side"` in quotes, `begin*` for a beginning. Nothing typed is
an operator, so nothing typed can be a mistake. A token is what SQLite's unicode61 makes with `_` in it: letters,
digits and underscores, without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_TYPED = re.compile(r'"[^"]*"\*?|\S+')
_TOKEN = re.compile(r"\w+")


class Term(NamedTuple):
    """Tokens that stand side by side; the last one may go on where it `is_beginning`."""

    tokens: tuple[str, ...]
    is_beginning: bool


def terms_of(text: str) -> tuple[Term, ...]:
    """The terms in what was typed; those without a letter or digit are nothing."""
    found = []
    for typed in _TYPED.findall(text):
        tokens = tuple(_TOKEN.findall(typed.lower()))
        if tokens:
            found.append(Term(tokens, typed.endswith("*")))
    return tuple(found)


def match_expression(terms: Sequence[Term]) -> str:
    """The terms as FTS5's MATCH takes them."""
    return " ".join(f'"{" ".join(term.tokens)}"{"*" if term.is_beginning else ""}' for term in terms)


def are_in(terms: Sequence[Term], message: str) -> bool:
    """Whether a message has all the terms."""
    if not terms:
        return True
    tokens = _TOKEN.findall(message.lower())
    return all(any(_is_at(term, tokens, begin) for begin in range(len(tokens))) for term in terms)


def _is_at(term: Term, tokens: Sequence[str], begin: int) -> bool:
    *whole, last = term.tokens
    end = begin + len(whole)
    if end >= len(tokens) or list(tokens[begin:end]) != whole:
        return False
    return tokens[end].startswith(last) if term.is_beginning else tokens[end] == last
