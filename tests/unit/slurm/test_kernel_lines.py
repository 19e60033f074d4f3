"""Kernel lines of trouble: every row of the table, in the words of the kernels that are out there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.slurm.kernel_lines import KINDS, understand
from testkit.understood_lines import lines_of, meaning_of

LINES = lines_of("kernel.txt")


@pytest.mark.parametrize("text", LINES, ids=lambda text: text[:50])
def test_a_line_is_understood(text: str) -> None:
    assert meaning_of(understand(text)) == LINES[text]


def test_every_row_of_the_table_has_a_line() -> None:
    assert {kind.name for kind in KINDS} == {meaning.split(" | ")[0] for meaning in LINES.values()}


@given(st.text(max_size=300) | st.sampled_from(sorted(LINES)).map(lambda text: text[: len(text) // 2]))
def test_no_text_is_refused(text: str) -> None:
    understand(text)
