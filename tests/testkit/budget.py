"""The budget of a unit test: one second of the test process's own CPU time for its call.

A plugin of tests/conftest.py. Measured is CPU time and not the clock on the wall: on a busy machine a test waits
longer, but it does not compute more. What other programs burn that a test starts is theirs; a test on real parts
(everything outside `UNIT_FOLDERS`) has no budget, nor has one that is marked `slow`, nor one marked `thorough`, which
is a search of many cases that says so.

CPU seconds are not one unit on all machines (caches, a busy sibling core, a slower model), so there are two lines:
from `BUDGET_S` on a test is listed at the end of the run, and only from `FAILS_AT_S` on, three times that, it fails.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testkit.checkout import ROOT

UNIT_FOLDERS = ("tests/unit", "tests/architecture", "tests/deploy")
BUDGET_S = 1.0
FAILS_AT_S = 3.0
PROPERTY = "cpu_s"
"""Reports carry it by this name, also from one process of xdist to the other."""


def is_unit_test(path: Path) -> bool:
    """Whether a test of this file needs no real component; the folder alone says so."""
    return any(path.is_relative_to(ROOT / folder) for folder in UNIT_FOLDERS)


def has_budget(item: pytest.Item) -> bool:
    """Whether the budget holds for this test."""
    return is_unit_test(item.path) and not any(item.get_closest_marker(name) for name in ("slow", "thorough"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`component` is no mark that anybody sets: a folder has it."""
    for item in items:
        if not is_unit_test(item.path):
            item.add_marker(pytest.mark.component)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    begin_s = time.process_time()
    yield
    used_s = time.process_time() - begin_s
    if has_budget(item):
        item.user_properties.append((PROPERTY, used_s))
        assert used_s < FAILS_AT_S, (
            f"{used_s:.1f} s of CPU time, {BUDGET_S:g} s are a unit test's budget: make it smaller, or mark it "
            "`thorough` (runs with `make test`) or `slow` (does not)"
        )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [one for name in ("passed", "failed") for one in terminalreporter.stats.get(name, [])]
    used = {one.nodeid: dict(one.user_properties)[PROPERTY] for one in reports if PROPERTY in dict(one.user_properties)}
    over = sorted(((used_s, name) for name, used_s in used.items() if used_s >= BUDGET_S), reverse=True)
    if over:
        terminalreporter.section(f"over the budget of {BUDGET_S:g} s of CPU time, fails at {FAILS_AT_S:g} s")
    for used_s, name in over:
        terminalreporter.line(f"{used_s:5.1f} s {name}")
