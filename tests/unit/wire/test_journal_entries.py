"""An entry of the journal's native protocol is read back as it was written, whatever it holds."""

from __future__ import annotations

import re

import hypothesis.strategies as st
from hypothesis import given

from slurmlens.wire.journal import encode, field_name


@given(st.text())
def test_any_name_becomes_one_that_the_journal_takes(name: str) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", field_name(name))


@given(st.lists(st.text(), max_size=5))
def test_any_values_are_read_back_and_add_no_field(values: list[str]) -> None:
    fields = {f"F{index}": value for index, value in enumerate(values)}
    data, found = encode(fields), []
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, end, rest = rest[8 : 8 + size], rest[8 + size : 9 + size], rest[9 + size :]
            assert end == b"\n"
        found.append((name.decode(), value.decode()))
        data = rest
    assert found == [(name, value.encode("utf-8", "backslashreplace").decode()) for name, value in fields.items()]
