"""A chart of a job or a node, on a page or on a board, is a row of `hub/views/panels.py`: there is no second list."""

from __future__ import annotations

import ast

from testkit.checkout import ROOT

HUB = ROOT / "daemon/slurmlens/hub"
ROOMS = ("views", "dashboards", "web")
MAKES_ROWS = {"JobPanel": "views/panels.py", "NodePanel": "views/panels.py", "PanelMetrics": "dashboards/curves.py"}
TOLD_BY_JOBS = {"views/job/progress_chart.py", "views/job/value_charts.py"}
"""What a job says of itself has no row: its names are the job's."""


def calls(name: str) -> dict[str, list[ast.Call]]:
    """Where a class is made, by file below the hub."""
    found: dict[str, list[ast.Call]] = {}
    for path in (path for room in ROOMS for path in (HUB / room).rglob("*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if f"{name}(" in text else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                found.setdefault(str(path.relative_to(HUB)), []).append(node)
    return found


def test_rows_of_panels_are_made_in_one_place() -> None:
    for name, place in MAKES_ROWS.items():
        assert set(calls(name)) == {place}


def test_a_chart_has_its_title_and_unit_from_a_row_unless_a_job_told_it() -> None:
    made = calls("Chart")
    assert {"views/job/charts.py", "views/entity/courses.py"} <= set(made)
    for place, found in made.items():
        for call in found if place not in TOLD_BY_JOBS else ():
            given = {one.arg: one.value for one in call.keywords}
            for name in ("key", "title", "unit"):
                value = given[name]
                assert isinstance(value, ast.Attribute), (place, call.lineno, name)
                assert isinstance(value.value, ast.Name), (place, call.lineno, name)
                assert (value.value.id, value.attr) == ("plan", name), (place, call.lineno)
