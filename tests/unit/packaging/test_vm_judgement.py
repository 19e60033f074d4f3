"""The virtual machine's table and its list of documented commands judge, which needs no machine to be seen."""

from __future__ import annotations

from typing import Any

import pytest

from testkit.checkout import ROOT
from vm.documented_commands import commands, runnable
from vm.layout_table import Comparison, compare, compare_steps, judge, table

SEEN = {"cpu_s": 2.0, "memory_peak_bytes": 40e6, "oom_kills": 0.0, "written_bytes": None, "pids": None}


def page(**node: Any) -> dict[str, Any]:
    figures = {"cpu": {"used": 2.1}, "memory": {"used": 41e6}, "oom_kills": 0, "pressure": {"cpu_ratio": 0.1}}
    return {"nodes": [{**figures, **node}], "steps": [{"step": "batch", "cpu_s": 2.0, "cpu_complete": True}]}


@pytest.mark.parametrize(
    ("shown", "seen", "is_there", "is_complete", "verdict"),
    [
        (2.1, 2.0, True, True, "right"),
        (1.9, 2.0, True, True, "wrong"),
        (1.9, 2.0, True, False, "lower bound"),
        (40.0, 2.0, True, True, "wrong"),
        (None, None, False, True, "unavailable"),
        (None, 2.0, True, True, "wrong"),
        (0.0, None, False, True, "wrong"),
    ],
)
def test_a_figure_is_right_only_where_it_is_what_the_kernel_said_and_what_is_not_there_is_not_shown(
    shown: float | None, seen: float | None, is_there: bool, is_complete: bool, verdict: str
) -> None:
    assert judge(shown, seen, 20.0, is_there=is_there, is_complete=is_complete) == verdict


def verdicts(found: list[Comparison]) -> dict[str, str]:
    return {one.metric: one.verdict for one in found}


def test_a_layout_without_io_and_pids_has_them_unavailable_and_a_0_for_them_is_wrong() -> None:
    fine = verdicts(compare("v2", "batch", page(), [{"job": SEEN}], kills=0))
    assert (fine["cpu"], fine["memory peak"], fine["bytes written"], fine["processes"]) == (
        "right",
        "right",
        "unavailable",
        "unavailable",
    )
    made_up = verdicts(compare("v2", "batch", page(pids_peak=0), [{"job": SEEN}], kills=0))
    assert made_up["processes"] == "wrong"


def test_a_kill_that_the_page_does_not_have_is_wrong() -> None:
    assert verdicts(compare("v2", "killed", page(), [{"job": SEEN}], kills=1))["oom kills"] == "wrong"


def test_the_table_has_a_row_a_kind_and_names_what_is_wrong() -> None:
    rows = compare("v2", "batch", page(), [{"job": SEEN}], kills=1)
    rows.append(compare_steps("v2", "batch", page(), {"batch": {"step": SEEN}}))
    head, _, row = table(rows).splitlines()
    assert head.split(" | ")[2:4] == ["cpu", "memory peak"]
    assert "**wrong** (0 for 1.0)" in row
    assert row.rstrip(" |").endswith("right")


def test_every_command_of_the_page_on_installing_is_taken_out_of_it() -> None:
    found = commands((ROOT / "docs/installation.md").read_text())
    assert {"slurmlens doctor", "systemctl reload slurmlens-node", "scontrol reconfigure"} <= set(found)
    assert [one for one in map(runnable, found) if "HUB" in one or "ROLE" in one] == []
