"""The line index agrees with where keys really stand, for TOML of any shape."""

from __future__ import annotations

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.config.lines import index_lines


def test_tables_keys_dotted_keys_and_inline_tables_are_found() -> None:
    text = '# c\na = 1\n\n[t]\nb.c = 2\n[ t . "u v" ]\nd = { e = 1 }\n'
    assert index_lines(text) == {
        ("a",): 2,
        ("t",): 4,
        ("t", "b"): 5,
        ("t", "b", "c"): 5,
        ("t", "u v"): 6,
        ("t", "u v", "d"): 7,
    }


def test_what_looks_like_a_key_inside_text_lists_and_comments_is_none() -> None:
    text = 'a = """\nx = 1\n[y]\n"""\nb = [\n  "c = 1", # d = 2 ]\n  [1],\n]\n# e = 1\nf = \'\'\'\ng = 1\'\'\'\nh = 1\n'
    assert index_lines(text) == {("a",): 1, ("b",): 5, ("f",): 10, ("h",): 12}


names = st.sampled_from(["a", "b", "interval_s", "x-1", '"quoted key"', "'single'"])
values = st.one_of(
    st.integers().map(str),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=12).map(
        json.dumps
    ),
    st.lists(st.integers(0, 9), max_size=3).map(
        lambda items: "[\n" + "".join(f"  {item}, # no = key\n" for item in items) + "]"
    ),
    st.just('"""\nfalse = 1\n[no]\n"""'),
)


@given(st.lists(st.tuples(names, values, st.integers(0, 2)), max_size=6, unique_by=lambda item: item[0].strip("\"'")))
def test_each_key_is_found_where_it_was_written(items: list[tuple[str, str, int]]) -> None:
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    for name, value, blank in items:
        lines += [""] * blank
        expected[(name.strip("\"'"),)] = len(lines) + 1
        lines += f"{name} = {value}".split("\n")
    text = "\n".join(lines)
    tomllib.loads(text)
    assert index_lines(text) == expected


@given(st.text(st.sampled_from("ab=[]{}\"'#\n\\. 1"), max_size=40))
def test_any_text_at_all_is_scanned_to_its_end(text: str) -> None:
    lines = text.count("\n") + 1
    assert all(1 <= line <= lines for line in index_lines(text).values())
