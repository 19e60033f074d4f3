"""The tools and the workflow: clean by Galaxy's own linters, and run by a real Galaxy with the shell's own bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deploy.components.galaxy import TOOLS, Galaxy, planemo

pytestmark = [pytest.mark.slow, pytest.mark.galaxy]

ALL = sorted(TOOLS.glob("slurmlens_*.xml"))


def test_planemo_finds_nothing_to_say_of_the_tools(tmp_path: Path) -> None:
    done = planemo(["planemo", "lint", *map(str, ALL)], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout


def test_the_workflow_follows_the_best_practices(tmp_path: Path) -> None:
    done = planemo(["gxwf-lint", str(TOOLS / "assess.gxwf.yml")], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_tool_passes_its_tests_in_galaxy_and_the_workflow_its_own(galaxy: Galaxy, tmp_path: Path) -> None:
    keys = ["--galaxy_admin_key", galaxy.admin_key, "--galaxy_user_key", galaxy.user_key()]
    test = ["planemo", "test", "--engine", "external_galaxy", "--galaxy_url", galaxy.url, *keys, "--no_shed_install"]
    tools = planemo([*test, *map(str, ALL)], tmp_path)
    assert tools.returncode == 0, tools.stdout + tools.stderr + why(tmp_path)
    assert "All 10 test(s) executed passed" in tools.stdout + tools.stderr
    workflow = planemo([*test, str(TOOLS / "assess.gxwf.yml")], tmp_path)
    assert workflow.returncode == 0, workflow.stdout + workflow.stderr + why(tmp_path)


def why(folder: Path) -> str:
    """What failing tests said, of planemo's report."""
    told = json.loads((folder / "tool_test_output.json").read_text())
    failed = [one["data"] for one in told["tests"] if one["data"]["status"] != "success"]
    said = [(one.get("output_problems"), (one.get("job") or {}).get("stderr")) for one in failed]
    return "\n".join(map(str, said))
