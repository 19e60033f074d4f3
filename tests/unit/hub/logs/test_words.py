"""Words, phrases and beginnings: the index and the lines that come agree on what is found."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.logs.words import are_in, match_expression, terms_of


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("oom kill", '"oom" "kill"'),
        ('"out of memory" node', '"out of memory" "node"'),
        ("slurm*", '"slurm"*'),
        ('a"b AND (c OR NOT', '"a b" "and" "c" "or" "not"'),
        ("*", ""),
        ('"', ""),
        ("n1: /dev/sda", '"n1" "dev sda"'),
    ],
)
def test_words_phrases_and_beginnings(typed: str, asked: str) -> None:
    assert match_expression(terms_of(typed)) == asked


texts = st.lists(st.sampled_from(["disk", "full", "is_full", "ab", "abc", "n1", '"', "*", "-", "OR", "é"]), max_size=6)


@given(texts.map(" ".join) | st.text(max_size=30), texts.map(" ".join) | st.text(max_size=60))
def test_what_the_index_finds_is_what_a_tail_finds(typed: str, message: str) -> None:
    terms = terms_of(typed)
    with closing(sqlite3.connect(":memory:")) as connection:
        tokenizer = "unicode61 remove_diacritics 0 tokenchars '_'"
        connection.execute(f'CREATE VIRTUAL TABLE words USING fts5 (message, tokenize="{tokenizer}")')
        connection.execute("INSERT INTO words VALUES (?)", (message.encode("utf-8", "replace").decode(),))
        expression = match_expression(terms)
        found = bool(expression) and bool(
            connection.execute("SELECT 1 FROM words WHERE words MATCH ?", (expression,)).fetchall()
        )
    if message.isascii() and typed.isascii():
        assert found == (bool(terms) and are_in(terms, message))
