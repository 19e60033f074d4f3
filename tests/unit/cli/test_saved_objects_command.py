"""`slurmlens saved-objects`: a file that is whole in itself, the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slurmlens.cli.main import main
from testkit import saved_object_files


@pytest.mark.parametrize("names", ["ecs", "2015"])
def test_every_object_is_whole_and_leads_nowhere_else(tmp_path: Path, names: str) -> None:
    path = tmp_path / "views.ndjson"
    assert main(["saved-objects", "--out", str(path), "--names", names, "--pages", "https://hub/"]) == 0
    objects = saved_object_files.read(path.read_bytes())
    kinds = [one["type"] for one in objects]
    assert (kinds.count("dashboard"), kinds.count("index-pattern")) == (4, 1)
    titles = {one["attributes"]["title"] for one in objects if one["type"] == "dashboard"}
    assert {"Log lines: overview", "Log lines: per job", "Log lines: slurmctld"} < titles
    (link,) = json.loads(objects[0]["attributes"]["fieldFormatMap"]).values()
    assert link["params"]["urlTemplate"] == "https://hub/jobs/{{rawValue}}"


def test_the_same_question_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["saved-objects", "--out", str(tmp_path / name), "--index", "logs-*"]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert b'"title":"logs-*"' in (tmp_path / "a").read_bytes()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["saved-objects", "--out", str(tmp_path / "no" / "file")]) == 2
    assert "cannot write" in capsys.readouterr().err
