"""A figure of the daemon's own is one line of carbon plaintext, whatever its labels hold."""

from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.wire.carbon import own_line, own_prefix

NAME = r"[A-Za-z0-9_-]+"


@given(st.text(), st.text(), st.lists(st.text(), max_size=3), st.floats())
def test_it_stays_in_its_folder_with_one_level_a_label(node: str, name: str, labels: list[str], value: float) -> None:
    line = own_line(own_prefix("demo", node), name, labels, value, 60).decode("ascii")
    if not math.isfinite(value):
        assert line == ""
        return
    levels = rf"\.{NAME}" * (1 + len(labels))
    assert re.fullmatch(rf"slurm\.demo\.nodes\.{NAME}\.slurmlens{levels} [-+.e0-9]+ 60\n", line)


@given(st.text(), st.text())
def test_two_labels_make_two_series(one: str, other: str) -> None:
    prefix = own_prefix("demo", "n0")
    same = own_line(prefix, "a_total", [one], 1, 60) == own_line(prefix, "a_total", [other], 1, 60)
    assert same == (one.replace(".", "_") == other.replace(".", "_"))
