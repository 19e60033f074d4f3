"""Text that strangers wrote."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.shown.csv import cell
from slurmlens.shown.text import clip, encodable, pad, visible, width, wrap
from testkit.job_parts import HOSTILE_NAME

ANY_TEXT = st.text(st.characters(), max_size=60)


def test_what_would_act_becomes_visible() -> None:
    assert visible("a\nb\x1b[31m\x7f\t") == "a␊b␛[31m␡␉"
    assert visible("\u202egnp.exe") == "�gnp.exe"
    assert visible("\u2028\u200b\x9b\udcff") == "����"
    assert visible("gemm") == "gemm"
    assert visible("Грüße 行列") == "Грüße 行列"


@given(ANY_TEXT)
def test_visible_text_is_one_printable_line_that_can_be_encoded(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert len(shown) == len(text)
    assert "\n" not in shown
    assert all(character.isprintable() for character in shown)


@given(ANY_TEXT)
def test_encodable_text_keeps_all_that_can_be_written(text: str) -> None:
    kept = encodable(text)
    kept.encode()
    assert [a for a, b in zip(text, kept, strict=True) if a != b and not 0xD800 <= ord(a) <= 0xDFFF] == []


@given(ANY_TEXT, st.integers(min_value=0, max_value=40), st.booleans())
def test_a_padded_text_fills_exactly_its_columns(text: str, columns: int, right: bool) -> None:
    assert width(pad(visible(text), columns, right=right)) == columns


@given(ANY_TEXT, st.integers(min_value=4, max_value=40))
def test_wrapped_lines_fit(text: str, columns: int) -> None:
    lines = list(wrap(visible(text), columns))
    assert lines
    assert all(width(line) <= columns for line in lines)


def test_wide_characters_count_two() -> None:
    assert width("行列") == 4
    assert clip("行列計算", 5) == "行列…"


@given(ANY_TEXT)
def test_a_cell_is_never_a_formula_and_survives_csv(text: str) -> None:
    value = cell(text)
    assert not value.startswith(("=", "+", "-", "@"))
    line = io.StringIO()
    csv.writer(line).writerow([value, "next"])
    assert list(csv.reader(io.StringIO(line.getvalue()))) == [[value, "next"]]


def test_a_hostile_name_is_one_harmless_line() -> None:
    shown = visible(HOSTILE_NAME)
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\u00a0=", " =", "＝", "＋", "－", "＠", "\u3000@"])
def test_no_cell_of_a_table_begins_a_formula_however_it_is_spelled(start: str) -> None:
    assert cell(start + "SUM(A1)").startswith("'")
